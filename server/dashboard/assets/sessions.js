// Who is connected, and what each does.
import { h, keyed } from "./dom.js";
import { time } from "./format.js";
import { link } from "./route.js";

export function sessions(main) {
  const body = h("tbody");
  const none = h("p", { class: "quiet", text: "Nobody has been connected yet." });
  const heads = ["session", "client", "last heard of", "experiments", "kept", "does now", "holds ideas", "checkout"];
  const table = h("table", null, h("thead", null, h("tr", null, heads.map((t, i) => h("th", { scope: "col", class: i === 3 || i === 4 ? "n" : "", text: t })))), body);
  main.append(h("h1", { text: "Sessions and claims" }),
    h("section", { class: "panel" }, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Sessions" }, table), none));
  async function update(s) {
    const all = s.sessions || [];
    none.hidden = all.length > 0;
    table.hidden = all.length === 0;
    keyed(body, all.map((x) => ({ ...x, running: (x.running || []).map((r) => r.id || r) })), row);
  }
  return { title: "Sessions", update };
}

function row(s) {
  const job = (id) => h("div", null, id.startsWith("x") ? h("a", { href: link("x/" + id.slice(1)), text: "#" + id.slice(1) }) : id);
  return h("tr", null, h("th", { scope: "row", text: s.codename }), h("td", { text: [s.client, s.version].filter(Boolean).join(" ") }), h("td", null, s.last ? time(s.last) : "–"),
    h("td", { class: "n", text: String(s.experiments) }), h("td", { class: "n", text: String(s.kept) }), h("td", null, s.running.length ? s.running.map(job) : "–"),
    h("td", { text: s.claims && s.claims.length ? s.claims.map((n) => "idea " + n).join(", ") : "–" }), h("td", { class: "mono", text: s.checkout || "" }));
}
