// Numbers and times as a reader wants them: figures of one width, one unit at
// a time, the exact value at hand.

// number writes six significant digits, whole numbers in full.
export function number(v, unit) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  const abs = Math.abs(v);
  let s;
  if (Number.isInteger(v) && abs < 1e15) s = String(v);
  else if (abs < 1e-5 || abs >= 1e15) s = v.toExponential(4).replace(/\.?0+e/, "e");
  else s = String(Number(v.toPrecision(6)));
  return unit ? s + " " + unit : s;
}

// signed writes the sign of a gain too, also of a loss, with a true minus.
export function signed(v, digits = 3) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  const s = String(Number(Math.abs(v).toPrecision(digits)));
  return (v > 0 ? "+" : v < 0 ? "−" : "") + s;
}

// duration writes seconds in the two largest units that they have, as wording.FormatDuration
// of internal/research does.
export function duration(s) {
  if (s === null || s === undefined || !Number.isFinite(s)) return "–";
  const ms = Math.round(s * 1000);
  if (ms === 0) return "0 s";
  if (ms < 1000) return ms + " ms";
  if (ms < 9950) return Math.round(ms / 100) / 10 + " s";
  const seconds = Math.round(s), minutes = Math.round(s / 60);
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return two(seconds, 60, " min", pad(seconds % 60) + " s");
  if (minutes < 48 * 60) return two(minutes, 60, " h", pad(minutes % 60) + " min");
  return two(Math.round(s / 3600), 24, " d", (Math.round(s / 3600) % 24) + " h");
}

const two = (n, of, unit, rest) => Math.floor(n / of) + unit + (n % of ? " " + rest : "");

// clock writes whole seconds, for what is counted while it is watched.
export const clock = (s) => duration(Math.floor(s));

// hours writes a number of hours.
export function hours(v) {
  return duration(v * 3600);
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return (i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + units[i];
}

const pad = (n) => String(n).padStart(2, "0");

// The server's clock less this one's, in milliseconds.
let skew = 0;

// setNow takes the server's clock from an answer.
export function setNow(iso) {
  const t = Date.parse(iso);
  if (Number.isFinite(t)) skew = t - Date.now();
}

export const now = () => Date.now() + skew;

// ago writes how long ago a time was.
export function ago(iso) {
  const t = Date.parse(iso);
  if (!Number.isFinite(t)) return "–";
  const s = Math.max(0, (now() - t) / 1000);
  if (s < 5) return "now";
  if (s < 60) return Math.floor(s) + " s ago";
  if (s < 3600) return Math.floor(s / 60) + " min ago";
  if (s < 86400) return Math.floor(s / 3600) + " h ago";
  return Math.floor(s / 86400) + " d ago";
}

// exact writes a time in the reader's own zone, to the second.
export function exact(iso) {
  const d = new Date(iso);
  return Number.isFinite(d.getTime()) ? d.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "";
}

// time is an element that says how long ago, and keeps saying it.
export function time(iso) {
  const el = document.createElement("time");
  setTime(el, iso);
  return el;
}

export function setTime(el, iso) {
  const valid = Number.isFinite(Date.parse(iso)) && !iso.startsWith("0001");
  if (el.dateTime !== iso && valid) {
    el.dateTime = iso;
    el.title = exact(iso);
  }
  el.textContent = valid ? ago(iso) : "–";
}

// tick brings all times on the page up to date.
export function tick() {
  for (const el of document.querySelectorAll("time[datetime]")) {
    const text = ago(el.dateTime);
    if (el.textContent !== text) el.textContent = text;
  }
}

// plural writes "1 run", "3 runs".
export const plural = (n, noun) => n + " " + noun + (n === 1 ? "" : "s");

// sentence makes one of a server's phrase: a capital letter and a full stop.
export const sentence = (s) => (s ? s.charAt(0).toUpperCase() + s.slice(1) + (/[.!?…]$/.test(s) ? "" : ".") : "");
