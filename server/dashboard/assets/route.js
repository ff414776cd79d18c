// The address's fragment is the page's state, and can be shared: view, what is
// looked at, repository, campaign, filters. The token is never part of it.
import { here } from "./api.js";

// read takes the fragment apart. A fragment that starts a session
// (#token=…&repo=…) gives token too.
export function read() {
  const raw = location.hash.slice(1);
  if (!raw.startsWith("/")) {
    const q = new URLSearchParams(raw);
    return { view: "", id: "", params: q, token: q.get("token") || "", repo: q.get("repo") || "", campaign: q.get("campaign") || "" };
  }
  const [path, query] = raw.split("?");
  const [view, id] = path.split("/").filter(Boolean).map(decodeURIComponent);
  const params = new URLSearchParams(query || "");
  return { view: view || "", id: id || "", params, token: "", repo: params.get("repo") || "", campaign: params.get("campaign") || "" };
}

// link is the address of a view of the repository and campaign that are shown.
export function link(path, extra) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries({ repo: here.repo, campaign: here.campaign, ...extra })) if (v) q.set(k, v);
  const query = q.toString().replaceAll("%2F", "/");
  return "#/" + path + (query ? "?" + query : "");
}

export const go = (path, extra) => {
  location.hash = link(path, extra);
};

// replace changes the address without a new entry in the history.
export function replace(hash) {
  history.replaceState(null, "", location.pathname + hash);
}
