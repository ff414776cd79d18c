// One experiment: what was guessed, what was changed, what was measured, what
// was judged and how sure that is.
import { get } from "./api.js";
import { h, keyed, panel, mark } from "./dom.js";
import { number, duration, bytes, time, exact } from "./format.js";
import { link, go } from "./route.js";
import { evidenceChart } from "./chart.js";
import { show } from "./diff.js";
import { Output } from "./output.js";

export function experiment(main, route, { state, steer }) {
  let n = Number(route.id), total = state ? state.campaign.experiments : n;
  let shown = "", seen = -1, evidence = null;
  const box = h("div");
  main.append(box);

  async function update(s) {
    total = s.campaign.experiments;
    if (seen === s.seq) return;
    let x;
    try {
      x = await get("experiments/" + n);
    } catch (e) {
      if (e.status !== 404 && e.status !== 400) throw e;
      box.replaceChildren(h("section", { class: "panel" }, h("h1", { text: "No experiment " + route.id }), h("p", { text: e.message }), h("p", null, h("a", { href: link(""), text: "All experiments" }))));
      return;
    }
    seen = s.seq;
    const key = JSON.stringify([x, s.role]);
    if (key === shown) return;
    shown = key;
    draw(x, s);
  }

  function draw(x, s) {
    if (evidence) evidence.close();
    evidence = null;
    const at = document.activeElement && document.activeElement.id;
    const output = new Output("x" + n);
    const body = h("div", { class: "two" },
      h("div", null, judged(x, s), runs(x, s), changed(x), output.el),
      h("div", null, facts(x, s), proof(x), enforced(x)));
    box.replaceChildren(head(x, s), body);
    if (at && document.getElementById(at)) document.getElementById(at).focus();
    output.open(x.status === "running");
  }

  function proof(x) {
    if (!x.evidence || x.evidence.length === 0) return null;
    evidence = evidenceChart(x.evidence, x.need);
    const last = x.evidence[x.evidence.length - 1];
    return panel("Evidence", {}, h("p", null, "E = ", h("strong", { text: number(Number(last.e.toPrecision(3))) }), x.need ? " where " + number(Number(x.need.toPrecision(3))) + " was needed" : ""), evidence,
      h("p", { class: "small quiet", text: "E grows when pairs of runs speak for the edit, and falls when they don't. An edit that does nothing takes it past the dashed line with a chance of at most 1 in that number." }));
  }

  function head(x, s) {
    const near = (to, text) => to >= 1 && to <= total ? h("a", { href: link("x/" + to), text }) : null;
    const buttons = [];
    if (s.role === "person" && x.status === "running") buttons.push(h("button", { type: "button", id: "stop", text: "Stop this run", on: { click: () => steer.stop("x" + n) } }));
    if (s.role === "person" && x.overridable) buttons.push(h("button", { type: "button", id: "override", text: "Keep it all the same …", on: { click: () => steer.override(x) } }));
    return h("div", null,
      h("div", { class: "path" }, h("a", { href: link(""), text: "All experiments" }), near(n - 1, "← #" + (n - 1)), near(n + 1, "#" + (n + 1) + " →")),
      h("h1", null, h("span", { class: "quiet", text: "#" + x.n + " " }), x.hypothesis || "(no hypothesis)"),
      buttons.length > 0 && h("p", { class: "filters" }, buttons));
  }

  return {
    title: "#" + route.id, update,
    move: (by) => n + by >= 1 && n + by <= total && go("x/" + (n + by)),
    back: () => go(""),
    close: () => evidence && evidence.close(),
  };
}

function judged(x, s) {
  const words = x.words || (x.status === "running" ? "It runs; there is no verdict yet." : "");
  const rows = [["status", statusWords(x)], ["proof", x.proof], ["could have seen", x.detectable_text && s.campaign.noisy ? "effects from about " + x.detectable_text : null],
    ["lesson", x.lesson], ["note", x.note]];
  return panel("Verdict", {}, h("p", { class: "finding" }, mark(x.verdict), h("span", null, !words.startsWith(x.verdict || "\n") && x.verdict ? h("strong", { text: x.verdict + ": " }) : null, words)),
    definitions(rows));
}

function statusWords(x) {
  return { running: "running", unresolved: "judged; it waits to be kept or reverted", kept: "kept", reverted: "reverted", invalid: "invalid" }[x.status] || x.status;
}

function definitions(rows) {
  const list = h("dl", { class: "facts" });
  for (const [k, v] of rows) if (v !== null && v !== undefined && v !== "" && v !== false) list.append(h("dt", { text: k }), h("dd", null, v));
  return list;
}

function facts(x, s) {
  const commit = (c) => c && h("span", { class: "mono", title: c, text: c.slice(0, 12) });
  return panel("Facts", {}, definitions([
    ["expected", x.expect], ["idea", x.idea && h("a", { href: link("ideas"), text: String(x.idea) })], ["session", x.session],
    ["proposed", x.proposed_at && time(x.proposed_at)], ["judged", x.judged_at && time(x.judged_at)],
    ["result", x.gain_text],
    ...(x.guards || []).map((g) => ["guard " + g.name, number(g.value)]),
    ["edit", "+" + (x.added || 0) + " −" + (x.removed || 0) + " lines in " + (x.files || []).join(", ")],
    ["candidate", commit(x.candidate)], ["compared with", commit(x.parent)], ["kept as", commit(x.commit)]]));
}

function runs(x, s) {
  const all = x.runs || [];
  if (all.length === 0) return panel("Runs", {}, h("p", { class: "quiet", text: "No run has ended yet." }));
  const gpu = all.some((r) => r.gpu);
  const metric = x.metric;
  const heads = ["run", "for", "version", metric, "time", "CPU", "memory", gpu && "GPU", "ended"].filter(Boolean);
  const body = h("tbody");
  keyed(body, all, (r) => h("tr", { class: r.void ? "void" : "" },
    h("td", { text: "#" + r.run + (r.pair ? ", pair " + r.pair : ""), title: exact(r.started) }), h("td", { text: r.role + (r.warm_up ? ", warm-up" : "") }), h("td", { text: r.side }),
    h("td", { class: "n" }, samples(r, metric, x.unit)), h("td", { class: "n", text: duration(r.wall_s) }), h("td", { class: "n", text: duration(r.cpu_s) }), h("td", { class: "n", text: bytes(r.max_rss_bytes) }),
    gpu && h("td", { class: "wide", text: gpuWords(r.gpu) }),
    h("td", { class: "wide" }, r.valid ? "well" : h("span", { class: "error", text: r.reason || "not valid" }), ending(r))));
  return panel("Runs", {}, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" },
    h("table", null, h("thead", null, h("tr", null, heads.map((t, i) => h("th", { scope: "col", class: i > 2 && i < 7 ? "n" : "", text: t })))), body)));
}

function samples(r, metric, unit) {
  const all = Object.entries(r.samples || {});
  if (all.length === 0) return "–";
  all.sort(([a], [b]) => (b === metric) - (a === metric));
  return all.map(([k, v], i) => h("div", { class: i > 0 ? "small quiet" : "", text: k === metric ? number(v, unit) : k + " " + number(v) }));
}

function ending(r) {
  const words = [r.signal && "signal " + r.signal, r.exit ? "exit " + r.exit : "", r.contended && "others kept " + number(Number((r.outside_cpus || 0).toPrecision(2))) + " CPUs busy", r.void && "void: made again"].filter(Boolean);
  return words.length ? h("span", { class: "quiet", text: " (" + words.join(", ") + ")" }) : null;
}

function gpuWords(g) {
  if (!g) return "–";
  if (typeof g === "string") return g;
  return Object.entries(g).filter(([, v]) => typeof v !== "object").map(([k, v]) => k.replaceAll("_", " ") + " " + (typeof v === "number" ? number(v) : v)).join(", ") || "seen";
}

function changed(x) {
  const box = h("div", { class: "diff", tabindex: "0", role: "region", "aria-label": "Diff" });
  if (x.diff) show(box, x.diff);
  return panel("Diff", {}, x.diff ? box : h("p", { class: "quiet", text: "No difference is stored." }),
    x.diff_truncated && h("p", { class: "small quiet" }, "It goes on: ", h("code", { text: "git show " + (x.candidate || "").slice(0, 12) }), " shows all of it."));
}

function enforced(x) {
  const rows = Object.entries(x.enforced || {});
  if (rows.length === 0) return null;
  return panel("What kept its runs in bounds", { class: "enforced" }, definitions(rows));
}
