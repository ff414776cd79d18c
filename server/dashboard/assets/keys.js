// The keyboard: everything that the mouse does.
import { h, dialog } from "./dom.js";

const letters = { o: "", i: "ideas", s: "sessions", p: "program", f: "figures", c: "campaigns" };
const told = [
  ["j  k", "next, previous experiment"], ["Enter", "open it"], ["Esc", "close; back to the overview"], ["/", "search"],
  ["← →", "in the chart: from point to point, Enter opens"], ["g o", "overview"], ["g i", "ideas and notes"], ["g s", "sessions"],
  ["g p", "program"], ["g f", "figures and GPU"], ["g c", "repositories and campaigns"], ["?", "these keys"],
];

// help shows the keys.
export function help() {
  if (document.querySelector("dialog")) return;
  dialog("Keys", (close) => [
    h("dl", { class: "keys" }, told.map(([k, text]) => [h("dt", null, k.split("  ").map((one, i) => [i > 0 && " ", h("kbd", { text: one })]).flat()), h("dd", { text })]).flat()),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "main", text: "Close", on: { click: () => close() } })),
  ]);
}

// keyboard listens. A view may have move(±1), search and back.
export function keyboard({ go, view }) {
  let since = 0; // when g was pressed
  const does = {
    j: () => view().move && view().move(1),
    k: () => view().move && view().move(-1),
    "/": () => view().search && view().search(),
    "?": help,
    Escape: () => view().back && view().back(),
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]") || !view()) return;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName);
    if (typing && e.key !== "Escape") return;
    if (typing) return e.target.blur();
    const leads = Date.now() - since < 1500;
    since = 0;
    if (leads && e.key in letters) go(letters[e.key]);
    else if (e.key === "g") since = Date.now();
    else if (does[e.key]) does[e.key]();
    else return;
    e.preventDefault();
  });
}
