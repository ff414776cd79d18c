// The progress chart: every experiment by verdict, and the best so far with its
// interval. Shapes are those of the table. uPlot draws lines and axes.
import { h, panel, mark, setText, say } from "./dom.js";
import { number, signed, ago, exact } from "./format.js";
import { colour, onTheme } from "./theme.js";

/* global uPlot */
const verdicts = ["improved", "provisional", "equivalent", "regressed", "inconclusive", "invalid"];
const size = 4.5; // half the width of a sign, in CSS pixels

export class ProgressChart {
  constructor(open) {
    this.open = open;
    this.points = [];
    this.at = -1;
    this.box = h("div", { class: "plot", tabindex: "0", role: "application", "aria-roledescription": "chart", "aria-label": "Progress",
      on: { keydown: (e) => this.key(e), blur: () => this.pick(-1), click: () => this.at >= 0 && open(this.points[this.at].n) } });
    this.tip = h("div", { class: "tip", hidden: true });
    this.words = h("p", { class: "quiet small" });
    this.note = h("span", { class: "small" });
    this.legend = h("div", { class: "legend" });
    this.el = panel("Progress", {}, h("div", { class: "chart" }, this.box, this.tip), this.legend, this.words);
    this.off = onTheme(() => this.draw(true));
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.box);
  }

  update(p) {
    this.p = p;
    this.exact = p.exact !== undefined ? p.exact : p.points.some((x) => x.value !== null && x.value !== undefined);
    const keep = this.at >= 0 ? this.points[this.at] : null;
    this.points = p.points.filter((x) => x.n);
    this.at = keep ? this.points.findIndex((x) => x.n === keep.n) : -1;
    this.el.hidden = this.points.length === 0;
    this.draw();
    this.describe();
  }

  // worth is where a point stands on the axis: its value, or its gain over the start.
  worth(x) {
    if (this.exact) return finite(x.value) ? x.value : null;
    const g = x.over_start || x.gain;
    return g && finite(g.mid) ? this.level(g.mid) : null;
  }

  // level is a gain over the start as it is drawn: in the metric's unit where the start's
  // value is known, else as itself, a share in percent.
  level(g) {
    if (this.exact || !finite(g)) return g;
    if (!finite(this.p.start)) return this.p.scale === "log" ? 100 * g : g;
    const grown = this.p.metric.better === "higher" ? g : -g;
    return this.p.scale === "log" ? this.p.start * Math.max(0, 1 + grown) : this.p.start + grown;
  }

  data() {
    const xs = [], mid = [], lo = [], hi = [];
    const level = (g) => this.level(g);
    let best = null;
    if (this.exact && finite(this.p.baseline) && this.p.from <= 1) push(0, { mid: this.p.baseline, lo: this.p.baseline, hi: this.p.baseline });
    else if (!this.exact && this.p.from <= 1) push(0, { mid: 0, lo: 0, hi: 0 });
    for (const x of this.points) push(x.n, x.best || best);
    function push(n, b) {
      best = b;
      xs.push(n);
      mid.push(b && finite(b.mid) ? level(b.mid) : null);
      lo.push(b && finite(b.lo) ? level(b.lo) : null);
      hi.push(b && finite(b.hi) ? level(b.hi) : null);
    }
    this.range = limits(mid.concat(lo, hi), this.points.map((x) => this.worth(x)));
    return [xs, mid, lo, hi];
  }

  // draw brings the plot up to date; what was zoomed into stays so. It is made
  // again only if it must be.
  draw(again) {
    if (!this.p || this.el.hidden || !this.box.clientWidth || typeof uPlot === "undefined") return;
    const data = this.data();
    const kind = JSON.stringify([this.exact, this.p.scale, this.p.metric]);
    if (this.plot && !again && kind === this.kind) {
      const { min, max } = this.plot.scales.x, xs = this.plot.data[0];
      const whole = min <= xs[0] && max >= xs[xs.length - 1];
      this.plot.setData(data, whole);
      if (!whole) this.plot.setScale("x", { min, max });
      return;
    }
    this.kind = kind;
    const c = (this.colours = Object.fromEntries(verdicts.concat("accent", "text", "quiet", "line", "panel").map((v) => [v, colour("--" + v)])));
    const stepped = uPlot.paths.stepped({ align: 1 });
    const axis = { stroke: c.quiet, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line, width: 1 }, font: "12px system-ui, sans-serif" };
    const options = {
      width: this.box.clientWidth, height: this.height(), legend: { show: false }, padding: [10, 22, 0, 4],
      cursor: { points: { show: false }, y: false, drag: { x: true, y: false, setScale: true } },
      scales: { x: { time: false, range: (u, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) }, y: { range: () => this.range } },
      axes: [{ ...axis, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], values: (u, vs) => vs.map((v) => (v >= 0 ? "#" + v : "")) },
        { ...axis, size: (u, vs) => 16 + 7.6 * Math.max(3, ...(vs || []).map((v) => v.length)), values: (u, vs) => vs.map((v) => this.tick(v)) }],
      series: [{}, { stroke: c.text, width: 2, points: { show: false }, paths: stepped, spanGaps: true },
        { stroke: "transparent", points: { show: false }, paths: stepped }, { stroke: "transparent", points: { show: false }, paths: stepped }],
      bands: [{ series: [3, 2], fill: faded(c.text, 0.13) }],
      hooks: { draw: [(u) => this.signs(u)], setCursor: [(u) => this.hover(u)] },
    };
    if (this.plot) this.plot.destroy();
    this.plot = new uPlot(options, data, this.box);
    this.drawn = this.box.clientWidth;
  }

  height() {
    return innerWidth <= 640 ? 220 : 270;
  }

  tick(v) {
    if (this.exact || finite(this.p.start)) return number(v);
    return signed(v) + (this.p.scale === "log" ? " %" : "");
  }

  resize() {
    if (this.plot && this.box.clientWidth && this.drawn !== this.box.clientWidth) {
      this.drawn = this.box.clientWidth;
      this.plot.setSize({ width: this.box.clientWidth, height: this.height() });
    } else if (!this.plot) this.draw(true);
  }

  // where a point is drawn, in canvas pixels. What lies beyond the axis stands at its edge.
  where(u, x) {
    const v = this.worth(x), [lo, hi] = this.range;
    const y = v === null ? lo : Math.min(Math.max(v, lo), hi);
    return { x: u.valToPos(x.n, "x", true), y: u.valToPos(y, "y", true), none: v === null, beyond: v !== null && v !== y };
  }

  signs(u) {
    const ctx = u.ctx, r = size * devicePixelRatio * (this.points.length > 600 ? 0.7 : 1);
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left - r, u.bbox.top - r, u.bbox.width + 2 * r, u.bbox.height + 2 * r);
    ctx.clip();
    for (const x of this.points) {
      if (!x.verdict) continue;
      const at = this.where(u, x);
      if (at.x < u.bbox.left - 1 || at.x > u.bbox.left + u.bbox.width + 1) continue;
      ctx.globalAlpha = at.none || at.beyond ? 0.5 : x.kept ? 1 : 0.8;
      sign(ctx, x.verdict, at.x, at.y, x.kept ? r * 1.35 : r, this.colours);
    }
    ctx.globalAlpha = 1;
    if (this.at >= 0) {
      const at = this.where(u, this.points[this.at]);
      ctx.strokeStyle = this.colours.text;
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.beginPath();
      ctx.arc(at.x, at.y, r * 2.1, 0, 7);
      ctx.stroke();
    }
    ctx.restore();
  }

  // hover picks the point nearest to the pointer.
  hover(u) {
    if (document.activeElement === this.box && this.byKey) return;
    const { left, top } = u.cursor;
    if (left < 0 || top < 0) return this.pick(-1);
    let best = -1, near = 40 * 40;
    this.points.forEach((x, i) => {
      const at = this.where(u, x);
      const dx = at.x / devicePixelRatio - u.bbox.left / devicePixelRatio - left, dy = at.y / devicePixelRatio - u.bbox.top / devicePixelRatio - top;
      const d = dx * dx * 2 + dy * dy;
      if (d < near) {
        near = d;
        best = i;
      }
    });
    this.pick(best);
  }

  pick(i) {
    if (i === this.at && this.tip.hidden === i < 0) return;
    this.at = i;
    if (i < 0) this.byKey = false;
    this.tip.hidden = i < 0;
    this.box.style.cursor = i < 0 ? "" : "pointer";
    if (!this.plot) return;
    this.plot.redraw(false, false);
    if (i < 0) return;
    const x = this.points[i], at = this.where(this.plot, x), v = this.worth(x);
    this.tip.replaceChildren(
      h("p", null, h("strong", { text: "#" + x.n + " " }), h("span", { class: "verdict" }, mark(x.verdict), h("span", { text: x.verdict || "running" })),
        h("span", { class: "quiet", text: x.rolled_back ? ", rolled back" : x.kept ? ", kept" : "" })),
      h("p", { text: x.hypothesis }),
      h("p", { class: "quiet", text: v === null ? "nothing was measured" : x.result || "" }),
      h("p", { class: "quiet", text: ago(x.at) + ", " + exact(x.at) }));
    const w = this.box.clientWidth, px = at.x / devicePixelRatio, py = at.y / devicePixelRatio;
    const width = Math.min(340, w * 0.8);
    this.tip.style.left = Math.max(0, Math.min(px + 14, w - width)) + "px";
    this.tip.style.top = py < this.height() / 2 ? py + 14 + "px" : "";
    this.tip.style.bottom = py < this.height() / 2 ? "" : this.height() - py + 14 + "px";
  }

  key(e) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -this.points.length, End: this.points.length }[e.key];
    if (by) {
      const from = this.at < 0 ? this.points.length : this.at;
      this.byKey = true;
      this.pick(Math.min(Math.max(from + by, 0), this.points.length - 1));
      say(this.tip.textContent);
    } else if (e.key === "Enter" && this.at >= 0) this.open(this.points[this.at].n);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  describe() {
    const p = this.p, n = {}, sure = p.gain && p.gain.certified;
    const proven = sure && sure.mid === p.gain.mid && sure.lo === p.gain.lo && sure.hi === p.gain.hi;
    for (const x of this.points) n[x.verdict || "running"] = (n[x.verdict || "running"] || 0) + 1;
    this.legend.replaceChildren(h("span", null, h("span", { class: "line" }), this.exact ? "best value so far" : (proven ? "proven" : "claimed") + " over the start, 90 % interval"),
      ...verdicts.filter((v) => n[v]).map((v) => h("span", { class: "verdict" }, mark(v), h("span", { text: v }))), h("span", { text: "larger: kept" }));
    const axis = this.exact || finite(p.start) ? p.metric.name + (p.metric.unit ? " in " + p.metric.unit : "") + ", " + p.metric.better + " is better" : "Gain of " + p.metric.name + " over the start, up is better";
    const older = p.total > this.points.length ? ". The newest " + this.points.length + " of " + p.total + " experiments" : "";
    setText(this.words, axis + older + ". Drag to look closer, double click for all.");
    this.box.setAttribute("aria-label", "Progress over " + this.points.length + " experiments. " + axis + ". Arrow keys go from point to point, Enter opens one; the table below has the same.");
  }

  close() {
    this.off();
    this.watch.disconnect();
    if (this.plot) this.plot.destroy();
  }
}

const finite = (v) => typeof v === "number" && Number.isFinite(v);

// limits is the axis: all of the line, and of the points those that are not far
// off, so that one bad edit does not flatten a night.
function limits(line, points) {
  const must = line.filter(finite), may = points.filter(finite).sort((a, b) => a - b);
  const q = (p) => may[Math.min(may.length - 1, Math.max(0, Math.round(p * (may.length - 1))))];
  let lo = Math.min(...must, may.length ? q(0.08) : Infinity), hi = Math.max(...must, may.length ? q(0.92) : -Infinity);
  if (!finite(lo) || !finite(hi)) [lo, hi] = [0, 1];
  const reach = (hi - lo) * 0.6;
  for (const v of may) if (v >= lo - reach && v <= hi + reach) [lo, hi] = [Math.min(lo, v), Math.max(hi, v)];
  const pad = (hi - lo) * 0.07 || Math.abs(hi) * 0.05 || 1;
  return [lo - pad, hi + pad];
}

// sign draws a verdict's shape.
function sign(ctx, verdict, x, y, r, colours) {
  ctx.fillStyle = ctx.strokeStyle = colours[verdict] || colours.accent;
  ctx.lineWidth = Math.max(1, r * 0.45);
  ctx.beginPath();
  const poly = (...ps) => {
    ps.forEach(([dx, dy], i) => (i ? ctx.lineTo(x + dx * r, y + dy * r) : ctx.moveTo(x + dx * r, y + dy * r)));
    ctx.closePath();
    ctx.fill();
  };
  if (verdict === "improved") return poly([0, -1.1], [1.05, 0.85], [-1.05, 0.85]);
  if (verdict === "provisional") return poly([0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]);
  if (verdict === "equivalent") return poly([-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]);
  if (verdict === "regressed") return poly([0, 1.1], [1.05, -0.85], [-1.05, -0.85]);
  if (verdict === "invalid") {
    ctx.moveTo(x - r * 0.8, y - r * 0.8);
    ctx.lineTo(x + r * 0.8, y + r * 0.8);
    ctx.moveTo(x + r * 0.8, y - r * 0.8);
    ctx.lineTo(x - r * 0.8, y + r * 0.8);
  } else ctx.arc(x, y, r * 0.85, 0, 7);
  ctx.stroke();
}

// decades are the powers of ten among an axis' ticks, so many that they can be read.
function decades(u, splits) {
  const tens = splits.filter((v) => v > 0 && Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9);
  const step = Math.ceil(tens.length / 7);
  const shown = new Set(tens.filter((v) => Math.round(Math.log10(v)) % step === 0));
  return splits.map((v) => (shown.has(v) ? v : null));
}

function faded(c, alpha) {
  return c.replace(/^rgb\(/, "rgba(").replace(/\)$/, ", " + alpha + ")");
}

// EvidenceChart shows how the e-value went, run by run, against what is needed.
export function evidenceChart(evidence, need) {
  const box = h("div", { class: "plot", role: "img" });
  const top = evidence[evidence.length - 1];
  box.setAttribute("aria-label", "The evidence, run by run: it ends at E = " + number(Number(top.e.toPrecision(3))) + (need ? ", " + number(Number(need.toPrecision(3))) + " was needed." : "."));
  let plot = null;
  const draw = () => {
    if (!box.clientWidth || typeof uPlot === "undefined") return;
    if (plot) plot.destroy();
    const [text, quiet, line, accent] = ["--text", "--quiet", "--line", "--accent"].map(colour);
    const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
    const xs = evidence.map((x) => x.run), es = evidence.map((x) => Math.max(x.e, 1e-6));
    plot = new uPlot({
      width: box.clientWidth, height: 200, legend: { show: false }, cursor: { show: false }, padding: [10, 26, 0, 4],
      scales: { x: { time: false, range: (u, a, b) => [a, Math.max(b, a + 1)] }, y: { distr: 3, range: (u, a, b) => [Math.min(a, 0.5) / 1.5, Math.max(b, need || 1, 2) * 1.7] } },
      axes: [{ ...axis, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100], values: (u, vs) => vs.map((v) => (Number.isInteger(v) ? "run " + v : "")) },
        { ...axis, size: 62, grid: { ...axis.grid, filter: decades }, values: (u, vs) => decades(u, vs).map((v) => (v === null ? "" : number(v))) }],
      series: [{}, { stroke: text, width: 2, points: { show: true, size: 6, fill: text }, paths: uPlot.paths.linear() }, { stroke: accent, width: 1.5, dash: [6, 5], points: { show: false } }],
    }, [xs, es, xs.map(() => need || null)], box);
  };
  const off = onTheme(draw);
  const watch = new ResizeObserver(draw);
  watch.observe(box);
  box.close = () => {
    off();
    watch.disconnect();
    if (plot) plot.destroy();
  };
  return box;
}
