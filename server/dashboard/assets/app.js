// The page's frame: who is asked for a token, which view is open, and when what
// it shows is read again.
import { here, token, get, listen } from "./api.js";
import { h, keyed, say, setText } from "./dom.js";
import { sentence, setNow, tick } from "./format.js";
import { read, link, go, replace } from "./route.js";
import { themeButton } from "./theme.js";
import { keyboard, help } from "./keys.js";
import { steering, notices } from "./steer.js";
import { overview } from "./overview.js";
import { experiment } from "./experiment.js";
import { board } from "./board.js";
import { sessions } from "./sessions.js";
import { program } from "./program.js";
import { figures } from "./figures.js";
import { enter, campaigns } from "./enter.js";

const views = { "": overview, x: experiment, ideas: board, sessions, program, figures, campaigns };
const tabs = [["", "Overview"], ["ideas", "Ideas and notes"], ["sessions", "Sessions"], ["program", "Program"], ["figures", "Figures and GPU"]];
const pace = 250; // ms from one reading to the next at least, however often the ledger changes

const main = document.getElementById("main");
const page = { view: null, name: null, state: null, stream: null, verdicts: null };

// live is the light that tells whether the page follows the ledger.
const live = h("button", { type: "button", class: "plain live", id: "live", on: { click: () => page.stream && page.stream.retry() } });
const steer = steering(() => refresh());

function frame() {
  const tools = document.getElementById("tools");
  tools.before(steer.buttons);
  tools.append(live, themeButton(),
    h("button", { type: "button", class: "plain", text: "?", title: "Keys", "aria-label": "Keys", on: { click: help } }));
  document.getElementById("skip").addEventListener("click", (e) => {
    e.preventDefault();
    main.focus();
  });
  keyboard({ go, views: tabs, view: () => page.view });
  addEventListener("hashchange", open);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  setInterval(tick, 1000);
  setInterval(() => page.state && page.state.running.length > 0 && refresh(), 1500); // a phase is not a record,
  setInterval(() => page.state && refresh(), 10000); // nor is a file that changes
}

// open shows what the address names.
async function open() {
  const r = read();
  if (r.token) {
    token.set(r.token);
    here.repo = r.repo;
    here.campaign = r.campaign;
    replace(link(""));
    return start();
  }
  if (r.repo !== here.repo || r.campaign !== here.campaign || !token.get()) {
    here.repo = r.repo;
    here.campaign = r.campaign;
    return start();
  }
  show(r);
}

// start begins again, with another token, repository or campaign.
async function start() {
  if (page.stream) page.stream.close();
  page.stream = page.state = page.verdicts = null;
  close();
  if (!token.get()) return ask("");
  try {
    if (!here.repo && read().view !== "campaigns") {
      const all = await get("repos");
      if (all.repos.length === 1) {
        here.repo = all.repos[0].path;
        replace(link(read().view + (read().id ? "/" + read().id : "")));
      } else {
        replace(link("campaigns"));
      }
    }
    if (here.repo) {
      await reread();
      page.stream = listen(changed, status);
    }
  } catch (e) {
    return failed(e);
  }
  show(read());
}

function close() {
  if (page.view && page.view.close) page.view.close();
  page.view = page.name = null;
}

function ask(why) {
  close();
  document.getElementById("tabs").hidden = true;
  document.title = "Ratchet";
  main.replaceChildren(enter(why, start));
}

// failed shows an error that leaves nothing to look at, for as long as it does.
function failed(e) {
  const soon = e.code === "no_campaign" || e.status === 0;
  if (soon) setTimeout(() => !page.state && start(), 2000);
  if (e.status === 401) {
    token.set("");
    return ask("The server does not know this token.");
  }
  main.replaceChildren(h("section", { class: "panel" }, h("h1", { text: "This cannot be shown" }),
    h("p", { class: "error", text: sentence(e.message) }), e.next && h("p", { text: sentence(e.next) }), soon && h("p", { class: "quiet", text: "It is looked for again by itself." }),
    h("p", null, h("a", { href: "#/campaigns", text: "Other repositories and campaigns" })),
    h("button", { type: "button", text: "Try again", on: { click: start } })));
}

// show opens a view, or hands the open one another address.
function show(r) {
  const name = views[r.view] ? r.view : "";
  header(name);
  const same = page.name === name && page.view && page.view.route && page.view.route(r);
  if (!same) {
    close();
    main.replaceChildren();
    page.name = name;
    page.view = views[name](main, r, { state: page.state, refresh, steer });
    scrollTo(0, 0);
  }
  document.title = [page.view.title, here.repo.split("/").pop(), "Ratchet"].filter(Boolean).join(" · ");
  refresh(true);
}

function header(name) {
  const nav = document.getElementById("tabs");
  nav.hidden = !here.repo;
  keyed(nav, tabs.map(([view, text]) => ({ href: link(view), text, on: view === name || (view === "" && name === "x") })),
    (t) => h("a", { href: t.href, text: t.text, "aria-current": t.on && "page" }));
  const where = document.getElementById("where");
  const campaign = page.state ? page.state.campaign.name : "";
  keyed(where, here.repo ? [{ href: link("campaigns"), repo: here.repo, campaign, role: here.role }] : [], (w) =>
    h("div", { title: w.repo }, h("span", { class: "repo", text: w.repo.split("/").pop() + " / " }), h("strong", { text: w.campaign }),
      " ", h("a", { class: "small", href: w.href, text: "change" }),
      w.role && w.role !== "person" && [" ", h("span", { class: "tag", text: "read only", title: "This token may not steer" })]));
}

// changed is told that the ledger is at seq.
function changed(seq) {
  if (!page.state || seq !== page.state.seq) refresh();
}

function status(s, seconds) {
  live.dataset.status = s;
  setText(live, { live: "live", connecting: "connecting …", refused: "the token is no longer good" }[s] || "disconnected, next try in " + seconds + " s");
  live.title = s === "disconnected" ? "Try now" : "";
  if (s === "disconnected") say("disconnected from the server");
  if (s === "refused") ask("The server no longer knows this token.");
}

let reading = false, again = false, next = 0;

// refresh reads what is visible again: one reading at a time, with a pause that
// grows with what a reading takes, unless a person waits for it.
async function refresh(now) {
  if (!token.get() || !page.view) return;
  if (document.hidden || reading) {
    again = !document.hidden;
    return;
  }
  reading = true;
  const wait = next - Date.now();
  if (wait > 0 && now !== true) await new Promise((r) => setTimeout(r, wait));
  again = false;
  const began = Date.now();
  try {
    if (here.repo) await reread();
    if (page.view) await page.view.update(page.state);
    setTrouble(null);
  } catch (e) {
    if (e.status === 401) failed(e);
    else if (e.name !== "AbortError") setTrouble(e);
  }
  next = Math.max(began + pace, Date.now() + Math.min(1000, (Date.now() - began) / 2));
  reading = false;
  if (again) refresh();
}

let trouble = null;

function setTrouble(e) {
  trouble = e && { message: e.message, next: e.next || "" };
  if (page.state || e) notices(page.state, trouble, steer);
}

async function reread() {
  const state = await get("state");
  setNow(state.now);
  here.role = state.role;
  announce(state);
  page.state = state;
  header(page.name || "");
  steer.update(state);
  notices(state, trouble, steer);
}

// announce tells a screen reader of new verdicts.
function announce(state) {
  const now = state.campaign.verdicts || {};
  if (page.verdicts) {
    const news = Object.keys(now).filter((v) => now[v] > (page.verdicts[v] || 0));
    if (news.length) say("new verdict: " + news.join(", "));
  }
  page.verdicts = now;
}

frame();
open();
