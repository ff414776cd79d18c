// The program: the contract that is enforced and the direction that is followed.
import { get } from "./api.js";
import { h, panel } from "./dom.js";

export function program(main, route, { steer }) {
  const box = h("div");
  main.append(h("h1", { text: "Program" }), box);
  let shown = "";
  async function update(s) {
    const p = await get("program");
    const key = JSON.stringify([p, s.role]);
    if (key === shown) return;
    shown = key;
    const parts = [];
    if (p.pending) parts.push(pending(p, s, steer));
    else if (p.changed) parts.push(h("div", { class: "notice" }, h("p", { text: "The contract on disk differs from the accepted one." })));
    if (p.problem) parts.push(h("div", { class: "notice" }, h("p", { text: "The program cannot be read: " + p.problem + "." })));
    if (p.text) parts.push(panel("As it is on disk", {}, h("p", { class: "small quiet" }, h("span", { class: "mono", text: p.path }), p.digest ? ", accepted contract " : "", p.digest && h("span", { class: "mono", title: p.digest, text: p.digest.slice(0, 16) })),
      h("pre", { class: "program", tabindex: "0", role: "region", "aria-label": "Text of the program", text: p.text })));
    box.replaceChildren(...parts);
  }
  return { title: "Program", update };
}

function pending(p, s, steer) {
  const kind = { "-": "del", "+": "add" };
  const diff = h("div", { class: "diff", tabindex: "0", role: "region", "aria-label": "What would change" },
    (p.pending.diff || "").trimEnd().split("\n").map((l) => h("div", { class: kind[l[0]] || "" }, h("span", { class: "sign", text: l[0] || "" }), l.slice(1))));
  return panel("A changed contract waits for you", {}, h("p", { text: "Runs stop until a person accepts it, or the file is put back." }), diff,
    s.role === "person" && h("div", { class: "buttons" }, h("button", { type: "button", class: "main", id: "accept", text: "Accept it …", on: { click: () => steer.accept(p.pending.digest) } })));
}
