// The drawn figures: noise, budget, GPU and families, as the server draws them.
import { getText } from "./api.js";
import { h, panel } from "./dom.js";
import { duration, sentence } from "./format.js";
import { dark, onTheme } from "./theme.js";

const kinds = [["gpu", "GPU", "Use and energy of the GPUs, run by run"], ["noise", "Noise", "Calibration, residuals and drift of the metric"],
  ["budget", "Budget", "What has been spent over time, against the limits"], ["families", "Families of ideas", "Yield by what the ideas have in common"]];

export function figures(main) {
  const boxes = kinds.map(([kind, title, about]) => {
    const box = h("div");
    return { kind, about, box, el: panel(title, {}, h("p", { class: "small quiet", text: about }), box) };
  });
  const spent = h("p", { class: "quiet" });
  main.append(h("h1", { text: "Figures and GPU" }), spent, ...boxes.map((b) => b.el));
  let seen = "", state = null;
  async function update(s) {
    state = s;
    const c = s.campaign;
    spent.textContent = c.gpu_seconds ? duration(c.gpu_seconds) + " of leased GPUs so far." : "No run of this campaign has leased a GPU so far.";
    const now = s.seq + (dark() ? "d" : "l");
    if (now === seen) return;
    seen = now;
    boxes[0].el.hidden = !c.gpu_seconds;
    await Promise.all(boxes.filter((b) => !b.el.hidden).map(one));
  }
  const off = onTheme(() => state && update(state));
  return { title: "Figures", update, close: off };
}

// one reads a figure. It is shown as an image, in which nothing can run.
async function one(b) {
  try {
    const svg = await getText("plot", { kind: b.kind, theme: dark() ? "dark" : "light" });
    b.box.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": b.about }, h("img", { class: "figure", alt: b.about + ". The numbers: ratchet plot " + b.kind, src: "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg) })));
  } catch (e) {
    if (e.status === 401) throw e;
    b.box.replaceChildren(h("p", { class: "quiet", text: sentence(e.message) }));
  }
}
