// The page: who looks, and at which view.

import { read, tokens } from "./api.js";
import * as discover from "./discover.js";
import { at } from "./dom.js";
import * as feed from "./feed.js";
import * as pipeline from "./pipeline.js";
import * as weights from "./weights.js";

const VIEWS = { feed: feed.load, trending: discover.trending, people: discover.people, weights: weights.load };
let view = "feed";

function look(name) {
  view = name;
  for (const button of document.querySelectorAll("[data-view]")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
    at(button.dataset.view).hidden = button.dataset.view !== name;
  }
  return VIEWS[name]();
}

/** A token in the fragment, which no server is ever sent; taken out of the address at once. */
function fragment() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  history.replaceState(null, "", location.pathname);
  signIn(token);
  return true;
}

function signIn(token) {
  if (!tokens.take(token)) {
    at("who").textContent = "That is no token: `nova token 42` prints one.";
    return;
  }
  who();
  look(view);
}

function who() {
  const claims = tokens.viewer && read(tokens.viewer);
  const operator = tokens.operator && read(tokens.operator);
  at("forget").hidden = !claims;
  at("who").textContent = claims
    ? `Viewing as user ${claims.sub}${operator ? `, operating as user ${operator.sub}` : ""}; until ${new Date(claims.exp * 1000).toLocaleString()}`
    : "Nobody is signed in: paste a token.";
}

at("sign-in").onsubmit = (event) => {
  event.preventDefault();
  signIn(at("token").value.trim());
  at("token").value = "";
};
at("forget").onclick = () => {
  tokens.forget();
  location.reload();
};
for (const button of document.querySelectorAll("[data-view]")) button.onclick = () => look(button.dataset.view);
addEventListener("hashchange", fragment);
for (const part of [feed, discover, pipeline, weights]) part.start();
who();
if (!fragment() && tokens.viewer) look(view);
