// The output of an experiment's last run: its end, its beginning, and all
// between, piece by piece. It is data: shown as text, whatever it says.
import { get } from "./api.js";
import { h, panel, setText } from "./dom.js";
import { bytes } from "./format.js";

const piece = 16384;

export class Output {
  constructor(id) {
    this.id = id;
    this.text = h("pre", { class: "output", tabindex: "0", role: "region", "aria-label": "Output" });
    this.words = h("span", { class: "quiet small", role: "status" });
    const button = (text, f) => h("button", { type: "button", text, on: { click: f } });
    this.more = button("More", () => this.read(this.next));
    this.bar = h("div", { class: "filters" }, button("Head", () => this.read("0")), button("Tail", () => this.read("")), this.more, this.words);
    this.el = panel("Output", {}, this.bar, this.text);
  }

  // open shows the end.
  open(running) {
    return this.read("", running);
  }

  async read(cursor, running) {
    try {
      const o = await get("output", { id: this.id, cursor, limit: piece });
      if (cursor && cursor !== "0") this.text.append(o.text);
      else setText(this.text, o.text || "(nothing was printed)");
      this.next = o.next;
      const tail = cursor === "" && o.total > piece;
      setText(this.words, bytes(o.total) + (tail ? ", the end of it" : o.next ? ", not all yet" : ""));
      if (cursor === "") this.text.scrollTop = this.text.scrollHeight;
    } catch (e) {
      if (e.name === "AbortError") return;
      setText(this.text, "");
      this.next = "";
      setText(this.words, running ? "It is stored when the run has ended." : e.message);
    }
    this.text.hidden = this.text.textContent === "";
    this.more.hidden = !this.next;
  }
}
