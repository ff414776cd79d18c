// The table of experiments, newest first: as many rows as fit the window, made
// once and moved. Pages are read when they come into sight.
import { get } from "./api.js";
import { h, mark, setMark, setText } from "./dom.js";
import { number, setTime, duration } from "./format.js";
import { link, replace } from "./route.js";

const page = 100; // rows of a request
const spare = 8; // rows made beyond the window, on either side
const ahead = 60; // rows read beyond the window
const verdicts = ["improved", "provisional", "equivalent", "regressed", "inconclusive", "invalid"];
const statuses = ["running", "unresolved", "kept", "reverted", "invalid"];

// Table is unfiltered or filtered. Unfiltered, experiment n stands at place
// total-n and any page can be asked for, since the cursor of a page is the
// number that its rows lie below. Filtered, pages are read one after the other.
export class Table {
  constructor(params) {
    this.rows = new Map(); // place (filtered) or number → row
    this.fresh = new Set(); // pages that show the present ledger
    this.pending = new Map();
    this.total = 0;
    this.at = -1; // the place of the row that the keys are at
    this.pool = [];
    this.era = 0; // counts filters, so that late answers to older ones are dropped
    this.build();
    this.read(params);
    this.frame = 0;
    this.onscroll = () => {
      if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
    };
    addEventListener("scroll", this.onscroll, { passive: true });
    addEventListener("resize", this.onscroll, { passive: true });
  }

  build() {
    const choice = (name, all, values) => h("select", { "aria-label": name, on: { change: () => this.filter() } },
      h("option", { value: "", text: all }), values.map((v) => h("option", { value: v, text: v })));
    this.query = h("input", { type: "search", placeholder: "Search hypotheses and lessons", "aria-label": "Search hypotheses and lessons", on: { input: () => this.soon() } });
    this.verdict = choice("Verdict", "any verdict", verdicts);
    this.status = choice("Status", "any status", statuses);
    this.count = h("span", { class: "count", role: "status" });
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.none = h("p", { class: "empty", hidden: true });
    const heads = [["n", "no."], ["", "verdict"], ["", "hypothesis"], ["n gain", "result"], ["", "status"], ["n opt", "runs"], ["n opt", "time"], ["n", "when"]];
    this.grid = h("div", { class: "grid", role: "table", "aria-label": "Experiments, newest first" },
      h("div", { class: "head", role: "row", "aria-rowindex": "1" }, heads.map(([c, text]) => h("span", { role: "columnheader", class: c, text }))), this.body);
    this.el = h("section", { class: "panel", "aria-labelledby": "p-experiments" }, h("h2", { id: "p-experiments", text: "Experiments" }),
      h("div", { class: "filters", role: "search" }, this.query, this.verdict, this.status, this.count), this.grid, this.none);
  }

  // read takes the filter from the address.
  read(params) {
    this.query.value = params.get("q") || "";
    this.verdict.value = params.get("verdict") || "";
    this.status.value = params.get("status") || "";
  }

  get filtered() {
    return Boolean(this.query.value.trim() || this.verdict.value || this.status.value);
  }

  // route takes another address of the same view.
  route(params) {
    this.read(params);
    this.reset();
    return true;
  }

  soon() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.filter(), 200);
  }

  filter() {
    replace(link("", { q: this.query.value.trim(), verdict: this.verdict.value, status: this.status.value }));
    this.reset();
  }

  reset() {
    this.era++;
    this.rows.clear();
    this.fresh.clear();
    this.pending.clear();
    this.next = "";
    this.complete = false;
    this.at = -1;
    this.total = this.filtered ? 0 : this.known || 0;
    this.draw();
  }

  clear() {
    this.query.value = this.verdict.value = this.status.value = "";
    this.filter();
  }

  search() {
    this.query.focus();
    this.query.select();
  }

  // update is told of another state of the ledger: what is in sight is read
  // again, the rest when it comes into sight.
  async update(state) {
    const grown = state.campaign.experiments - (this.known || 0);
    this.known = state.campaign.experiments;
    this.unit = state.campaign.metric.unit;
    this.fresh.clear();
    if (!this.filtered) {
      if (this.at >= 0) this.at += grown;
      this.total = this.known;
    } else {
      this.renew = this.rows.size;
      this.next = "";
      this.complete = false;
    }
    this.draw();
    await Promise.all(this.pending.values());
  }

  place(row, i) {
    return this.filtered ? i : this.total - row.n;
  }

  rowAt(i) {
    return this.rows.get(this.filtered ? i : this.total - i);
  }

  // want asks for what is missing of the places from to to.
  want(from, to) {
    if (this.filtered) {
      if (!this.complete && !this.pending.size && (this.renew || to >= this.rows.size - 1)) this.load("more", this.next, page);
      return;
    }
    const low = Math.max(0, Math.floor((this.total - to - 1) / page)), high = Math.max(0, Math.floor((this.total - from - 1) / page));
    for (let k = high; k >= low; k--) if (!this.fresh.has(k) && !this.pending.has(k) && this.total > 0) this.load(k, String((k + 1) * page + 1), page);
  }

  load(k, cursor, limit) {
    const era = this.era, filtered = this.filtered, first = this.next === "";
    const asked = get("experiments", { query: this.query.value.trim(), verdict: this.verdict.value, status: this.status.value, cursor, limit })
      .then((answer) => {
        if (era !== this.era) return;
        this.fresh.add(k);
        if (filtered) this.append(answer, first);
        else for (const row of answer.rows) this.rows.set(row.n, row);
      })
      .finally(() => {
        if (era !== this.era) return;
        this.pending.delete(k);
        this.draw();
      });
    this.pending.set(k, asked.catch((e) => setText(this.count, e.message)));
  }

  // append takes the next page of a filtered table; renewed rows replace the old
  // ones only when as many are there, so that nothing flickers.
  append(answer, first) {
    if (first) this.coming = [];
    this.coming.push(...answer.rows);
    this.next = answer.next;
    this.complete = !answer.next;
    if (this.coming.length < (this.renew || 0) && !this.complete) return;
    this.renew = 0;
    this.rows = new Map(this.coming.map((row, i) => [i, row]));
    this.total = this.rows.size;
  }

  draw() {
    this.frame = 0;
    const height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 36;
    const top = this.body.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(-top / height) - spare);
    const to = Math.min(this.total - 1, Math.ceil((innerHeight - top) / height) + spare);
    this.body.style.height = Math.max(this.total, 0) * height + "px";
    this.size(Math.max(0, to - from + 1));
    for (let i = from; i <= to; i++) this.put(this.pool[i % this.pool.length], i, height);
    this.want(Math.max(0, from - ahead), Math.min(this.total - 1, to + ahead));
    this.words();
  }

  // size makes the pool large enough; place i is always shown by element i modulo the pool's size.
  size(n) {
    if (n <= this.pool.length && (n > 0 || this.total > 0)) {
      for (const line of this.pool) if (line.place >= this.total) this.hide(line);
      return;
    }
    for (const line of this.pool) line.el.remove();
    this.pool = [];
    for (let i = 0; i < n + spare && n > 0; i++) this.pool.push(this.line());
    this.body.append(...this.pool.map((l) => l.el));
  }

  hide(line) {
    line.el.hidden = true;
    line.place = -1;
  }

  line() {
    const cell = (c) => h("span", { role: "cell", class: c });
    const l = { place: -1, shows: null, n: cell("n"), sign: mark(""), word: h("span"), a: h("a"), gain: cell("n gain"), status: h("span"), runs: cell("n opt"), took: cell("n opt"), when: document.createElement("time") };
    l.el = h("div", { class: "line", role: "row", hidden: true }, l.n, h("span", { role: "cell", class: "verdict" }, l.sign, l.word),
      h("span", { role: "cell", class: "what" }, l.a), l.gain, h("span", { role: "cell", class: "thin" }, l.status), l.runs, l.took, h("span", { role: "cell", class: "n thin" }, l.when));
    l.a.addEventListener("focus", () => this.move(0, l.place));
    return l;
  }

  put(l, i, height) {
    const row = this.rowAt(i);
    l.el.classList.toggle("at", i === this.at);
    if (l.place === i && l.shows === row && !l.el.hidden && l.height === height) return;
    l.el.hidden = false;
    if (l.place !== i || l.height !== height) {
      l.el.style.transform = "translateY(" + i * height + "px)";
      l.el.setAttribute("aria-rowindex", i + 2);
    }
    l.place = i;
    l.height = height;
    l.shows = row;
    l.el.classList.toggle("waiting", !row);
    if (!row) return this.blank(l, i);
    setText(l.n, "#" + row.n);
    setMark(l.sign, row.verdict);
    setText(l.word, row.verdict || "running");
    setText(l.a, row.hypothesis || "(no hypothesis)");
    l.a.title = row.hypothesis || "";
    l.a.setAttribute("href", link("x/" + row.n));
    setText(l.gain, row.gain_text || (row.value === null || row.value === undefined ? "–" : number(row.value, this.unit)));
    const isLeftOut = row.status === "kept" && row.proof === "left out by finalize";
    setText(l.status, isLeftOut ? "left out" : { unresolved: "waits for keep", invalid: "–", running: "runs" }[row.status] || row.status);
    l.status.className = isLeftOut ? "quiet" : row.status === "kept" ? "tag kept" : row.status === "unresolved" ? "tag waits" : "quiet";
    l.status.title = row.proof || "";
    setText(l.runs, row.runs ? String(row.runs) : "–");
    setText(l.took, duration(row.run_seconds));
    setTime(l.when, row.at || "");
  }

  blank(l, i) {
    setText(l.n, this.filtered ? "" : "#" + (this.total - i));
    for (const el of [l.word, l.gain, l.status, l.runs, l.took]) setText(el, "");
    setText(l.a, "…");
    if (this.filtered) l.a.removeAttribute("href");
    else l.a.setAttribute("href", link("x/" + (this.total - i)));
    l.when.removeAttribute("datetime");
    setText(l.when, "");
  }

  words() {
    this.grid.setAttribute("aria-rowcount", this.filtered && !this.complete ? -1 : this.total + 1);
    const busy = this.pending.size > 0;
    this.none.hidden = this.total > 0 || busy || this.known === undefined;
    setText(this.none, this.filtered ? "No experiment matches. Esc shows all." : "No experiment yet: the first one appears here by itself.");
    setText(this.count, this.filtered ? (this.complete || busy ? "" : "at least ") + this.total + (this.total === 1 ? " match" : " matches") : this.known === undefined ? "" : String(this.total));
    this.body.setAttribute("aria-busy", busy);
  }

  // move goes by so many rows, or to a place, and gives it the focus.
  move(by, place) {
    const to = place !== undefined ? place : this.at < 0 ? 0 : Math.min(Math.max(this.at + by, 0), this.total - 1);
    if (to < 0 || to >= this.total || (place !== undefined && to === this.at)) return;
    this.at = to;
    if (place === undefined) this.reveal(to);
    this.draw();
    const l = this.pool[to % this.pool.length];
    if (place === undefined && l) l.a.focus({ preventScroll: true });
  }

  reveal(i) {
    const height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 36;
    const y = this.body.getBoundingClientRect().top + i * height;
    const head = 40;
    if (y < head) scrollBy({ top: y - head, behavior: "instant" });
    else if (y + height > innerHeight) scrollBy({ top: y + height - innerHeight + 8, behavior: "instant" });
  }

  close() {
    removeEventListener("scroll", this.onscroll);
    removeEventListener("resize", this.onscroll);
    clearTimeout(this.typing);
    this.era++;
  }
}
