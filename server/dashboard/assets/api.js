// The page's only way to the server. The token lives in this tab's session
// storage and travels in a header: never in an address, never in a cookie.

const key = "ratchet.token";

export const here = { repo: "", campaign: "", role: "" };

export const token = {
  get: () => sessionStorage.getItem(key) || "",
  set: (t) => (t ? sessionStorage.setItem(key, t) : sessionStorage.removeItem(key)),
};

// ApiError is a refusal: one sentence, and the next step where there is one.
export class ApiError extends Error {
  constructor(status, e) {
    super(e.message || "the server answered " + status);
    this.status = status;
    this.code = e.code || "";
    this.next = e.next || "";
  }
}

function address(name, params) {
  const q = new URLSearchParams();
  if (here.repo) q.set("repo", here.repo);
  if (here.campaign) q.set("campaign", here.campaign);
  for (const [k, v] of Object.entries(params || {})) if (v !== "" && v !== null && v !== undefined) q.set(k, v);
  return "api/" + name + (q.size ? "?" + q : "");
}

async function ask(name, params, init) {
  const headers = { Authorization: "Bearer " + token.get(), ...(init && init.headers) };
  let res;
  try {
    res = await fetch(address(name, params), { cache: "no-store", credentials: "omit", ...init, headers });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new ApiError(0, { code: "unreachable", message: "the server cannot be reached", next: "is it still running?" });
  }
  if (res.ok) return res;
  let body = {};
  try {
    body = (await res.json()).error || {};
  } catch {
    body = {};
  }
  throw new ApiError(res.status, body);
}

export async function get(name, params, signal) {
  return (await ask(name, params, { signal })).json();
}

// getText gives the text of an answer that is not JSON, such as an image.
export async function getText(name, params, signal) {
  return (await ask(name, params, { signal })).text();
}

// steer asks the server to do what a person may.
export async function steer(body) {
  const res = await ask("steer", {}, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  return res.json();
}

const silence = 40e3; // ms without a beat (15 s) until the stream counts as dead
const waits = [500, 1000, 2000, 4000, 8000, 15000];

// listen follows the ledger. onChange(seq) is called for each change, and once
// whenever the stream (re)connects; onStatus(status, seconds) tells "live",
// "connecting", "disconnected" and in how many seconds it is tried again.
// The answer's close ends it, its retry does not wait.
export function listen(onChange, onStatus) {
  let closed = false;
  let failures = 0;
  let wake = null;
  let abort = null;
  (async () => {
    while (!closed) {
      onStatus("connecting", 0);
      abort = new AbortController();
      try {
        await follow(abort, onChange, () => {
          failures = 0;
          onStatus("live", 0);
        });
      } catch (e) {
        if (e instanceof ApiError && e.status === 401) {
          onStatus("refused", 0);
          return;
        }
      }
      if (closed) return;
      const ms = waits[Math.min(failures++, waits.length - 1)] * (0.8 + 0.4 * Math.random());
      onStatus("disconnected", Math.ceil(ms / 1000));
      await new Promise((r) => {
        wake = r;
        setTimeout(r, ms);
      });
    }
  })();
  return {
    close: () => {
      closed = true;
      if (abort) abort.abort();
      if (wake) wake();
    },
    retry: () => wake && wake(),
  };
}

async function follow(abort, onChange, onOpen) {
  const res = await ask("events", {}, { signal: abort.signal });
  onOpen();
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), silence);
  };
  try {
    for (alive(); ; alive()) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      const events = buffer.split("\n\n");
      buffer = events.pop();
      for (const e of events) read(e, onChange);
    }
  } finally {
    clearTimeout(timer);
  }
}

function read(event, onChange) {
  const data = event.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trim()).join("\n");
  if (!event.includes("event: change") || !data) return;
  try {
    onChange(JSON.parse(data).seq);
  } catch {
    onChange(0);
  }
}
