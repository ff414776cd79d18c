// What is shown before a campaign is: the question for a token, and the choice
// of a repository and campaign.
import { token, get } from "./api.js";
import { h, keyed, panel } from "./dom.js";
import { time, plural } from "./format.js";

// enter asks for a token. start is called with one at hand.
export function enter(why, start) {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true });
  const form = h("form", { class: "panel", on: { submit } },
    h("h1", { text: "A token, please" }),
    why && h("p", { class: "error", role: "alert", text: why }),
    h("p", null, "In a terminal, ", h("code", { text: "ratchet ui" }), " opens this page with one. For a server that runs already, ",
      h("code", { text: "ratchet token add NAME --role person" }), " makes one that may steer, ", h("code", { text: "--role read" }), " one that may only look."),
    h("label", { for: "token", text: "Token" }), h("p", null, input), h("button", { type: "submit", class: "main", text: "Open" }));
  function submit(e) {
    e.preventDefault();
    token.set(input.value.trim());
    start();
  }
  queueMicrotask(() => input.focus());
  return form;
}

// campaigns lists what this server can show.
export function campaigns(main) {
  const list = h("div");
  main.append(h("h1", { text: "Repositories and campaigns" }), list);
  async function update() {
    const all = await get("repos");
    keyed(list, all.repos.length ? all.repos : [null], one);
  }
  return { title: "Campaigns", update };
}

function one(repo) {
  if (!repo) return h("p", { class: "panel", text: "This server has no repository with a campaign yet: an agent's start_campaign begins one." });
  const address = (c) => "#/?" + new URLSearchParams({ repo: repo.path, campaign: c.name }).toString().replaceAll("%2F", "/");
  const section = panel(repo.name, { title: repo.path }, h("p", { class: "small quiet", text: repo.path }));
  if (!repo.campaigns || repo.campaigns.length === 0) section.append(h("p", { text: "No campaign yet." }));
  for (const c of repo.campaigns || [])
    section.append(h("p", null, h("a", { href: address(c), text: c.name }), " ",
      h("span", { class: "quiet", text: plural(c.experiments, "experiment") + ", " + c.kept + " kept, " + (c.ended ? "ended" : c.rests ? "rests" : "open") + ", begun " }),
      c.started_at && time(c.started_at)));
  return section;
}
