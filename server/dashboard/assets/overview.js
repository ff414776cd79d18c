// The first screen: what is true, what runs now, what is left; how it went; and
// every experiment.
import { get } from "./api.js";
import { h, keyed, panel, setText, mark } from "./dom.js";
import { number, clock, duration, hours, plural, sentence } from "./format.js";
import { link, go } from "./route.js";
import { Table } from "./table.js";
import { ProgressChart } from "./chart.js";

const verdicts = ["improved", "provisional", "equivalent", "regressed", "inconclusive", "invalid"];

export function overview(main, route, { steer }) {
  const top = standing();
  const now = running(steer);
  const rest = left();
  const chart = new ProgressChart((n) => go("x/" + n));
  const table = new Table(route.params);
  main.append(h("h1", { class: "unseen", text: "Overview" }), h("div", { class: "overview" }, top.el, now.el, rest.el), chart.el, table.el);
  let seen = -1, drawn = "";
  async function update(state) {
    top.update(state);
    now.update(state);
    rest.update(state);
    if (state.seq === seen) return;
    const c = state.campaign, key = JSON.stringify([c.experiments, c.verdicts, c.kept, c.reverted, c.standing]);
    const [progress] = await Promise.all([key === drawn ? null : get("progress", { limit: 2000 }), table.update(state)]);
    if (progress) chart.update(progress);
    drawn = key;
    seen = state.seq;
  }
  return {
    title: "", update,
    route: (r) => table.route(r.params),
    move: (by) => table.move(by),
    search: () => table.search(),
    back: () => table.clear(),
    close: () => {
      chart.close();
      table.close();
    },
  };
}

// standing is what is true, in words, and how sure.
function standing() {
  const claim = h("p", { class: "claim", id: "claim" });
  const figure = h("p", { class: "big", id: "best" });
  const under = h("p", { class: "quiet small" });
  const counts = h("ul", { class: "counts", "aria-label": "Experiments by verdict" });
  const merge = h("p", { id: "merge", hidden: true });
  const next = h("p", { class: "plan" });
  const el = panel("Standing", {}, figure, claim, merge, under, counts, next);
  return { el, update };

  function update({ campaign: c }) {
    figure.hidden = c.best === null || c.best === undefined;
    setText(figure, number(c.best, c.metric.unit));
    setText(claim, sentence(c.standing || exactWords(c)));
    setText(under, c.metric.name + ", " + c.metric.better + " is better" + (c.noisy ? "; noisy: gains are estimated from pairs of runs" : "; deterministic: two equal runs show a gain") +
      ". " + plural(c.experiments, "experiment") + ", " + c.kept + " kept.");
    keyed(counts, verdicts.filter((v) => c.verdicts && c.verdicts[v]).map((v) => [v, c.verdicts[v], link("", { verdict: v })]),
      ([v, n, href]) => h("li", null, h("a", { href }, mark(v), h("span", { text: n + " " + v }))));
    merge.hidden = !c.merge;
    setText(merge, c.merge ? "Your next step: " + c.merge.replaceAll("`", "") : "");
    setText(next, c.ended ? "" : c.next ? "The agent's next step: " + c.next : "");
  }
}

// exactWords says where a metric stands of which the server has no words.
function exactWords(c) {
  if (c.best === null || c.best === undefined) return c.experiments ? "Nothing is proven yet." : "Nothing has been measured yet.";
  if (c.baseline === null || c.baseline === undefined) return "";
  return "It was " + number(c.baseline, c.metric.unit) + " at the start.";
}

// running is what goes on now.
function running(steer) {
  const jobs = h("div", { id: "running" });
  const el = panel("Running now", {}, jobs);
  let timer = setInterval(() => el.isConnected ? age() : clearInterval(timer), 1000);
  return { el, update };

  function update(state) {
    const c = state.campaign;
    const idle = c.ended ? "The campaign has ended: " + c.ended + "." : c.rests ? "The loop rests, by " + c.rests.by + "." : "Nothing runs: the agent is thinking, or no client is connected.";
    const items = state.running.length ? state.running.map((r) => ({ id: r.id, about: r.about || "", session: r.session || "", wall: state.budget.wall_s, stop: state.role === "person" })) : [{ idle }];
    keyed(jobs, items, (r) => (r.idle ? h("p", { class: "quiet", text: r.idle }) : job(r)));
    for (const r of state.running) {
      const at = [...jobs.children].find((j) => j.dataset.id === r.id);
      if (!at) continue;
      at.began = performance.now() / 1000 - r.elapsed_s;
      setText(at.querySelector(".phase"), r.phase || "starting");
    }
    age();
  }

  function age() {
    for (const at of jobs.children) {
      if (at.began === undefined) continue;
      const s = performance.now() / 1000 - at.began;
      const bar = at.querySelector("progress");
      bar.hidden = s > bar.max;
      bar.value = Math.min(s, bar.max);
      setText(at.querySelector(".elapsed"), clock(s) + " since it was proposed" + (bar.max > 1 ? "; one run may take " + clock(bar.max) : ""));
    }
  }

  function job(r) {
    const n = r.id.startsWith("x") ? r.id.slice(1) : "";
    const name = n ? h("a", { href: link("x/" + n), text: "Experiment " + n }) : h("strong", { text: kinds[r.id[0]] + " " + r.id.slice(1) });
    return h("div", { class: "job", "data-id": r.id },
      h("div", { class: "row" }, h("span", null, name, r.session && h("span", { class: "quiet", text: " by " + r.session })),
        r.stop && h("button", { type: "button", text: "Stop", "aria-label": "Stop " + r.id, on: { click: () => steer.stop(r.id) } })),
      r.about && h("p", { class: "about", text: r.about, title: r.about }),
      h("p", { class: "small" }, h("span", { class: "phase" })),
      h("progress", { max: r.wall || 1, value: 0, "aria-label": "Time of " + r.id + " against the budget of one run" }),
      h("p", { class: "small quiet elapsed" }));
  }
}

const kinds = { c: "Calibration", m: "Measurement", h: "Certificate", a: "Audit" };

// left is what remains of the budget.
function left() {
  const meters = h("div", { id: "left" });
  const spent = h("p", { class: "small quiet" });
  const el = panel("Left of the budget", {}, meters, spent);
  return { el, update };

  function update({ left, budget, campaign: c }) {
    const rows = [];
    if (budget.experiments) rows.push({ what: "experiments", now: left.experiments, of: budget.experiments, text: left.experiments + " of " + budget.experiments });
    if (budget.hours) rows.push({ what: "run time", now: left.hours, of: budget.hours, text: hours(left.hours) + " of " + hours(budget.hours) });
    if (budget.gpu_hours || (left.gpu_hours !== null && left.gpu_hours !== undefined))
      rows.push({ what: "GPU time", now: left.gpu_hours, of: budget.gpu_hours || 0, text: hours(left.gpu_hours) + (budget.gpu_hours ? " of " + hours(budget.gpu_hours) : "") });
    keyed(meters, rows, (m) => h("div", { class: "meter" },
      h("div", { class: "row" }, h("span", { text: m.what }), h("span", { class: "quiet", text: m.text })),
      m.of > 0 && h("progress", { max: m.of, value: Math.max(0, m.now), "aria-label": m.what + " left" })));
    setText(spent, plural(c.runs, "run") + " in " + duration(c.run_seconds) + (c.gpu_seconds ? ", " + duration(c.gpu_seconds) + " of GPU" : "") + " so far.");
  }
}
