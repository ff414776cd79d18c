// What a person may do, and nobody else is shown. Each says first what will be
// recorded; what is judged or promised asks for the campaign's name.
import { here, steer as send } from "./api.js";
import { h, dialog, keyed, say } from "./dom.js";
import { sentence } from "./format.js";
import { link } from "./route.js";

export function steering(refresh) {
  const buttons = h("div", { class: "steer" });
  let state = null;

  // act sends an action and tells how it went.
  async function act(body) {
    const answer = await send(body);
    notice({ text: sentence(answer.done), next: answer.next ? "Next: " + answer.next : "", calm: true });
    say(answer.done);
    refresh();
  }

  // confirm opens a form; it stays open, with the reason, while the server refuses.
  function confirm(title, { record, field, typed, label, action }) {
    return dialog(title, (close) => {
      const error = h("p", { class: "error", role: "alert" });
      const text = field && h("textarea", { id: "steer-text", maxlength: "2000", required: true });
      const name = typed && h("input", { type: "text", id: "steer-name", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true });
      const secret = typed && state.locked && h("input", { type: "password", id: "steer-passphrase", autocomplete: "off", required: true });
      const ok = h("button", { type: "submit", class: "main", text: label });
      const form = h("form", { on: { submit } }, record.map((line) => h("p", { class: "record", text: line })),
        field && [h("label", { for: "steer-text", text: field }), text],
        typed && [h("label", { for: "steer-name" }, "Type the campaign's name, ", h("code", { text: state.campaign.name }), ", to go on"), name],
        secret && [h("label", { for: "steer-passphrase", text: "The passphrase of ratchet lock" }), secret],
        error, h("div", { class: "buttons" }, h("button", { type: "button", text: "Cancel", on: { click: () => close() } }), ok));
      async function submit(e) {
        e.preventDefault();
        error.textContent = "";
        if (name && name.value.trim() !== state.campaign.name) {
          error.textContent = "Nothing was done: the campaign's name is " + state.campaign.name + ".";
          return name.select();
        }
        ok.disabled = true;
        try {
          const body = action(text ? text.value.trim() : "", name ? name.value.trim() : "");
          await act(secret ? { ...body, passphrase: secret.value } : body);
          close();
        } catch (err) {
          error.textContent = sentence(err.message) + " " + sentence(err.next);
        }
        ok.disabled = false;
      }
      return [form];
    });
  }

  const api = {
    buttons, update,
    pause: () => confirm("Pause the loop?", { record: ["It is recorded that the loop rests, by the dashboard. What runs now is stopped, its experiment stays undecided; agents are told to stop until it is resumed."], label: "Pause", action: () => ({ action: "pause" }) }),
    resume: () => confirm("Resume the loop?", { record: ["It is recorded that the loop goes on, by the dashboard. An agent that has ended its turn must be told in its own client."], label: "Resume", action: () => ({ action: "resume" }) }),
    stop: (id) => confirm("Stop " + id + "?", { record: ["Its processes are ended now and that is recorded. What it had measured stays in the ledger and decides nothing."], label: "Stop it", action: () => ({ action: "stop", id }) }),
    idea: () => confirm("Add an idea", { record: ["It goes on the board, where any session can claim it."], field: "The idea", label: "Add", action: (text) => ({ action: "idea", text }) }),
    note: () => confirm("A note to the agents", { record: ["Every session of this campaign is told it once, with its next answer. Note and delivery are recorded. It changes no verdict."], field: "The note", label: "Send", action: (text) => ({ action: "note", text }) }),
    accept: (digest) => confirm("Accept the changed contract?", { record: ["It is recorded that a person accepted contract " + digest.slice(0, 16) + " by the dashboard. Runs go on under it."], typed: true, label: "Accept", action: (_, confirm) => ({ action: "accept", digest, confirm }) }),
    override: (x) => confirm("Keep experiment " + x.n + " against its verdict?", {
      record: [x.words || "Its verdict is " + x.verdict + ".", x.overridable.why || "", "It is recorded that a person kept it by the dashboard, against the verdict. It counts as no evidence, and in no figure but an audit's."].filter(Boolean),
      field: "Why (stands in the commit and the ledger)", typed: true, label: "Keep it", action: (note, confirm) => ({ action: "override", id: "x" + x.n, confirm, note }) }),
  };

  function update(s) {
    state = s;
    const c = s.campaign;
    const list = s.role !== "person" ? [] : [!c.ended && (c.rests ? ["resume", "Resume"] : ["pause", "Pause"]), ["note", "Note"], ["idea", "Idea"]].filter(Boolean);
    keyed(buttons, list, ([what, text]) => h("button", { type: "button", "data-steer": what, text: text + " …", on: { click: () => api[what]() } }));
  }
  return api;
}

let told = null;

// notice shows what an action came to, until the next one or ten seconds.
function notice(n) {
  told = n;
  render();
  setTimeout(() => {
    if (told === n) told = null;
    render();
  }, 10000);
}

let standing = [];

// notices shows what stands in the way, above everything else.
export function notices(state, trouble, steer) {
  standing = [];
  if (trouble) standing.push({ text: "Reading failed: " + sentence(trouble.message), next: sentence(trouble.next) });
  if (state) {
    const c = state.campaign;
    if (c.broken) standing.push({ text: "The campaign is broken: " + c.broken });
    if (c.changed) standing.push({ text: "The contract in program.md has changed. Runs stop until a person accepts it.", href: link("program"), link: "Look at the change" });
    if (c.rests) standing.push({ text: "The loop rests, by " + c.rests.by + ".", at: c.rests.at, resume: here.role === "person" });
    if (c.ended) standing.push({ text: "The campaign has ended: " + c.ended + ".", calm: true });
  }
  render(steer);
}

let last = null;

function render(steer) {
  last = steer || last;
  keyed(document.getElementById("notices"), told ? [told, ...standing] : standing, (n) =>
    h("div", { class: "notice" + (n.calm ? " calm" : ""), role: "status" }, h("p", null, n.text, n.next ? " " + n.next : ""), n.href && h("a", { href: n.href, text: n.link }),
      n.resume && h("button", { type: "button", text: "Resume …", on: { click: () => last.resume() } })));
}
