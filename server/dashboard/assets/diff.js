// A unified diff as elements: what was added and removed by colour and sign,
// and the code itself highlighted, each side for itself so that a comment or
// string over several lines stays one.
import { h } from "./dom.js";

const languages = {
  py: "python", go: "go", rs: "rust", c: "c", h: "c", cu: "cpp", cc: "cpp", cpp: "cpp", cxx: "cpp", hpp: "cpp", cuh: "cpp",
  js: "javascript", mjs: "javascript", cjs: "javascript", jsx: "javascript", ts: "typescript", tsx: "typescript",
  sh: "bash", bash: "bash", json: "json", yaml: "yaml", yml: "yaml", java: "java", toml: "ini", ini: "ini", cfg: "ini",
};
const longest = 200e3; // characters of a side that are highlighted

// parse takes a diff apart: files with their hunks, hunks with their lines.
export function parse(text) {
  const files = [];
  let file = null, hunk = null;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    if (line.startsWith("diff ") || (!hunk && line.startsWith("--- ") && (!file || file.seen))) {
      file = { name: "", hunks: [], notes: [], seen: false };
      hunk = null;
      files.push(file);
      if (line.startsWith("diff ")) continue;
    }
    if (!file) files.push((file = { name: "", hunks: [], notes: [], seen: false }));
    if (line.startsWith("@@")) file.hunks.push((hunk = { head: line, lines: [] }));
    else if (hunk && /^[ +\-\\]/.test(line)) hunk.lines.push({ sign: line[0], text: line.slice(1) });
    else if (hunk && line === "") hunk.lines.push({ sign: " ", text: "" });
    else if (line.startsWith("--- ") || line.startsWith("+++ ")) {
      file.seen = true;
      const name = line.slice(4).replace(/^[ab]\//, "").split("\t")[0];
      if (name !== "/dev/null") file.name = name;
    } else if (!hunk && !/^index /.test(line)) file.notes.push(line);
  }
  return files;
}

// show draws a diff at once, and again with its colours when they are there.
export async function show(box, text) {
  const files = parse(text);
  draw(box, files);
  for (const f of files) {
    const language = languages[f.name.split(".").pop().toLowerCase()];
    if (!language) continue;
    try {
      const hljs = await load(language);
      for (const hunk of f.hunks) {
        colour(hljs, language, hunk.lines.filter((l) => l.sign !== "+"));
        colour(hljs, language, hunk.lines.filter((l) => l.sign !== "-"));
      }
    } catch {
      continue; // plain text is fine
    }
  }
  draw(box, files);
}

const loaded = new Map();

async function load(language) {
  const hljs = (await import("./highlight.js")).default;
  if (!loaded.has(language)) loaded.set(language, import("./highlight-" + language + ".js").then((m) => hljs.registerLanguage(language, m.default)));
  await loaded.get(language);
  return hljs;
}

// colour gives lines their pieces: [kind, text], from the highlighter's tree and
// never from its HTML.
function colour(hljs, language, lines) {
  const code = lines.map((l) => l.text).join("\n");
  if (code.length > longest) return;
  const tree = hljs.highlight(code, { language, ignoreIllegals: true })._emitter.root;
  const all = [[]];
  walk(tree, "", (kind, text) => text.split("\n").forEach((part, i) => {
    if (i > 0) all.push([]);
    if (part) all[all.length - 1].push([kind, part]);
  }));
  if (all.length === lines.length) lines.forEach((l, i) => (l.pieces = all[i]));
}

function walk(node, kind, emit) {
  if (typeof node === "string") return emit(kind, node);
  const own = (node.scope || kind).split(".")[0];
  for (const c of node.children) walk(c, own, emit);
}

function draw(box, files) {
  box.replaceChildren(...files.flatMap((f) => [
    h("div", { class: "file", text: f.name || "(a file)" }), ...f.notes.map((n) => h("div", { class: "hunk", text: n })),
    ...f.hunks.flatMap((k) => [h("div", { class: "hunk", text: k.head }), ...k.lines.map(line)]),
  ]));
}

function line(l) {
  const sign = l.sign === "-" ? "−" : l.sign === "\\" ? "" : l.sign;
  return h("div", { class: { "+": "add", "-": "del" }[l.sign] || "" }, h("span", { class: "sign", text: sign }),
    (l.pieces || [["", l.text]]).map(([kind, text]) => (kind ? h("span", { class: "t-" + kind.replace(/[^a-z_]/g, ""), text }) : text)));
}
