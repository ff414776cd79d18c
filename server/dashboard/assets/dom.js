// What every view builds its elements with. Text goes in as text only: nothing
// here, nor anywhere else in the page, parses a string as HTML.

// h makes an element. Properties: class, text, on (event → listener), the rest
// are attributes; null and false leave one out. Children: nodes, strings, null.
export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (v === null || v === undefined || v === false) continue;
    if (k === "class") el.className = v;
    else if (k === "text") el.textContent = v;
    else if (k === "on") for (const [e, f] of Object.entries(v)) el.addEventListener(e, f);
    else el.setAttribute(k, v === true ? "" : v);
  }
  el.append(...children.flat(2).filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// keyed makes parent's children show items in order. What an item showed before
// stays the same element, with its focus, as long as the item is the same.
export function keyed(parent, items, make) {
  const have = new Map();
  for (const c of parent.children) have.set(c.shows, c);
  let at = parent.firstElementChild;
  items.forEach((item) => {
    let key = JSON.stringify(item);
    while (have.get(key) === null) key += " "; // the same twice
    let el = have.get(key);
    have.set(key, null);
    if (!el) {
      el = make(item);
      el.shows = key;
    }
    if (el === at) at = at.nextElementSibling;
    else parent.insertBefore(el, at);
  });
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}

// setText writes only what changed, so that a reader's selection survives.
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

const shapes = {
  improved: "M8 2 14 13H2Z",
  provisional: "M8 1.5 14.5 8 8 14.5 1.5 8Z",
  equivalent: "M3 3H13V13H3Z",
  regressed: "M8 14 2 3H14Z",
  inconclusive: "M8 2.5A5.5 5.5 0 1 1 8 13.5 5.5 5.5 0 1 1 8 2.5Z",
  invalid: "M3 3 13 13M13 3 3 13",
  running: "M8 2A6 6 0 1 1 2 8",
};

// mark is a verdict's sign: its shape tells what its colour tells.
export function mark(verdict) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "mark");
  const path = document.createElementNS(ns, "path");
  svg.append(path);
  setMark(svg, verdict);
  return svg;
}

// setMark changes what a mark shows.
export function setMark(svg, verdict) {
  const known = shapes[verdict] ? verdict : "running";
  svg.setAttribute("class", "mark v-" + known);
  svg.firstChild.setAttribute("d", shapes[known]);
}

// verdictChip is sign and word.
export function verdictChip(verdict) {
  return h("span", { class: "verdict" }, mark(verdict), h("span", { text: verdict || "no verdict yet" }));
}

// panel is a titled section. It gives the section and its body.
export function panel(title, props, ...children) {
  const id = "p-" + title.toLowerCase().replace(/[^a-z]+/g, "-");
  return h("section", { ...props, class: "panel " + ((props && props.class) || ""), "aria-labelledby": id },
    h("h2", { id, text: title }), ...children);
}

// say announces a text to a screen reader.
export function say(text) {
  document.getElementById("said").textContent = text;
}

// dialog shows a modal dialog; it ends with what close was called with.
export function dialog(title, build) {
  return new Promise((done) => {
    const d = h("dialog", { "aria-labelledby": "dialog-title" });
    let result;
    const close = (value) => {
      result = value;
      d.close();
    };
    d.append(h("h2", { id: "dialog-title", text: title }), ...build(close));
    d.addEventListener("close", () => {
      d.remove();
      done(result);
    });
    d.addEventListener("click", (e) => e.target === d && close());
    document.body.append(d);
    d.showModal();
  });
}
