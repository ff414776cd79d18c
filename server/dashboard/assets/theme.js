// Light or dark: the system's wish, or the reader's own for this browser.
import { h } from "./dom.js";

const key = "ratchet.theme";
const order = ["auto", "light", "dark"];
const listeners = new Set();

const chosen = () => localStorage.getItem(key) || "auto";

function apply() {
  const t = chosen();
  if (t === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = t;
  for (const f of listeners) f();
}

// dark says what is shown now.
export function dark() {
  const t = chosen();
  return t === "dark" || (t === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

// onTheme calls f after each change, until what it answers is called.
export function onTheme(f) {
  listeners.add(f);
  return () => listeners.delete(f);
}

// colour is what a custom property comes to now, for a canvas.
export function colour(name) {
  const probe = h("span", { hidden: true });
  probe.style.color = "var(" + name + ")";
  document.body.append(probe);
  const c = getComputedStyle(probe).color;
  probe.remove();
  return c;
}

// themeButton goes through auto, light and dark.
export function themeButton() {
  const b = h("button", { type: "button", class: "plain", on: { click: next } });
  function show() {
    b.textContent = { auto: "◐", light: "☀", dark: "☾" }[chosen()];
    b.title = "Theme: " + chosen();
    b.setAttribute("aria-label", "Theme: " + chosen() + ". Change it");
  }
  function next() {
    localStorage.setItem(key, order[(order.indexOf(chosen()) + 1) % order.length]);
    apply();
    show();
  }
  show();
  return b;
}

apply();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
