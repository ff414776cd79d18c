// What is worth trying, what was learnt, and what people said.
import { h, keyed, panel } from "./dom.js";
import { time } from "./format.js";
import { link } from "./route.js";

const columns = [["open", "Open"], ["claimed", "Claimed"], ["tried", "Tried"], ["dropped", "Dropped"]];

export function board(main, route, { state, steer }) {
  const person = state.role === "person";
  const lists = Object.fromEntries(columns.map(([k]) => [k, h("ul", { class: "list" })]));
  const lessons = h("ul", { class: "list" }), notes = h("ul", { class: "list" });
  const headed = (title, button) => h("div", { class: "headed" }, h("h1", { text: title }), button);
  main.append(
    headed("Ideas", person && h("button", { type: "button", text: "Add an idea …", on: { click: () => steer.idea() } })),
    h("div", { class: "board" }, columns.map(([k, text]) => panel(text, {}, lists[k]))),
    headed("Notes to the agents", person && h("button", { type: "button", text: "Write a note …", on: { click: () => steer.note() } })),
    h("section", { class: "panel", "aria-label": "Notes" }, notes),
    h("h1", { text: "Lessons" }), h("section", { class: "panel", "aria-label": "Lessons" }, lessons));

  async function update(s) {
    const nothing = (text) => [{ nothing: text }];
    for (const [k] of columns) {
      const of = (s.ideas || []).filter((i) => i.status === k);
      keyed(lists[k], of.length ? of : nothing("none"), (i) => (i.nothing ? none(i) : idea(i)));
    }
    const said = s.notes || [];
    keyed(notes, said.length ? [...said].sort((a, b) => b.n - a.n) : nothing("No note yet. The agents' next answers deliver one, and it is recorded who had it."), (n) => (n.nothing ? none(n) : note(n)));
    keyed(lessons, s.lessons && s.lessons.length ? s.lessons : nothing("No lesson yet."), (l) => (l.nothing ? none(l) : lesson(l)));
  }
  return { title: "Ideas", update };
}

const none = (x) => h("li", { class: "quiet", text: x.nothing });

function experiments(all) {
  return (all || []).flatMap((n, i) => [i > 0 ? ", " : "", h("a", { href: link("x/" + n), text: "#" + n })]);
}

function idea(i) {
  const tried = i.tried && i.tried.length > 0;
  return h("li", { class: "card" }, h("p", { text: i.text }),
    h("div", { class: "small quiet" }, "idea " + i.n, i.holder && ", held by " + i.holder, i.lapse && " (lapsed: " + i.lapse + ")", tried && ", tried in ", tried && experiments(i.tried)));
}

function lesson(l) {
  return h("li", { class: "card" }, h("p", { text: l.text }), l.experiment ? h("div", { class: "small quiet" }, "from ", experiments([l.experiment])) : null);
}

function note(n) {
  const had = n.delivered && n.delivered.length ? "delivered to " + n.delivered.join(", ") : "not delivered yet";
  return h("li", { class: "card" }, h("p", { text: n.text }), h("div", { class: "small quiet" }, "note " + n.n + (n.by ? ", " + ({ terminal: "from a terminal", command: "from a command", dashboard: "from the dashboard" }[n.by] || "by " + n.by) : "") + ", ", n.at && time(n.at), ", " + had));
}
