// The feed as its viewer sees it: bars of three terms, where each post came from, what became of an event.

import { Refused, ask, send, tokens } from "./api.js";
import { ago, at, clock, every, fill, make, time, words } from "./dom.js";
import { trouble } from "./trouble.js";

const TERMS = ["freshness", "engagement", "affinity"];
const PAGE = 20;
const POLL_MS = 250;
const PATIENCE_MS = 30_000;
let shown = null; // the newest page
let largest = 1;

export async function load() {
  if (!tokens.viewer) return;
  await trouble(async () => {
    const page = await ask(`/api/v1/feed?limit=${PAGE}&explain=true`);
    largest = Math.max(1e-9, ...page.posts.map((post) => post.score));
    fill(at("posts"));
    show(page);
  });
}

async function more() {
  await trouble(async () => {
    const first = at("posts").children.length;
    try {
      show(await ask(`/api/v1/feed?limit=${PAGE}&explain=true&cursor=${encodeURIComponent(shown.cursor)}`));
    } catch (error) {
      if (!(error instanceof Refused && error.status === 410)) throw error;
      return load(); // the list is forgotten: begin anew
    }
    at("posts").children[first]?.querySelector("button")?.focus();
  });
}

function show(page) {
  shown = page;
  at("feed-line").textContent = words(
    page.fallback ? "fallback" : "", `source ${page.source}`, page.reason, `ranked ${clock(page.as_of)}`,
    `${page.total_count} posts`, page.cold_start ? "cold start" : "", `answered in ${time(page.response_time_ms)}`,
  );
  at("posts").append(...page.posts.map(card));
  if (!page.total_count) at("posts").append(make("li", { className: "empty" }, "Nothing to show to this viewer."));
  at("more").hidden = !page.cursor;
  pill(page.newer, 0);
}

function card(post) {
  const id = post.post_id;
  const marks = [
    ...post.sources.map((source) => make("span", { className: "chip" }, source)),
    post.relaxed ? mark("relaxed", "No post of an author far enough away was left for this place") : null,
    post.seen ? mark("seen before", "Shown again because there was too little else") : null,
    post.propensity ? mark(`by lot ${post.propensity.toFixed(2)}`, "Exploration drew it with this probability") : null,
  ];
  const button = (label, call) =>
    make("button", { type: "button", className: "small", onclick: call, aria: { label: `${label}: post ${id}` } }, label);
  return make("li", { className: "card", data: { post: id } },
    make("span", { className: "place" }, String(post.position + 1)),
    make("div", {},
      make("p", { className: "title" }, make("b", {}, `post ${id}`), ` by user ${post.author_id} `,
        make("time", { dateTime: post.created_at, title: post.created_at }, ago(post.created_at))),
      make("p", { className: "counts" }, counts(post)),
      bar(post.explanation.terms), sum(post),
      make("p", { className: "marks" }, ...marks), make("p", { className: "told" })),
    make("div", { className: "actions", role: "group", aria: { label: `post ${id}` } },
      button("Share", () => watch(id, "share")), button("Seen", () => watch(id, "impression")),
      button("Hide", () => watch(id, "hide")), button("Why", () => why(id, true))));
}

const mark = (text, title) => make("span", { className: "chip mark", title }, text);
const counts = (post) =>
  words(`${post.likes} likes`, `${post.comments} comments`, `${post.shares} shares`, `${post.exposures} exposures`);

function bar(terms) {
  const parts = TERMS.map((name) => {
    const part = make("i", { className: name });
    part.style.width = `${Math.min(100, (100 * terms[name]) / largest)}%`;
    return part;
  });
  return make("div", { className: "bar", aria: { hidden: "true" } }, ...parts);
}

const sum = ({ explanation, score }) => make("p", { className: "sum" },
  ...TERMS.flatMap((name, i) => [i ? " + " : "", make("span", { className: name, title: name }, `${explanation.terms[name].toFixed(3)}`),
    make("span", { className: "only-read" }, ` ${name}`)]),
  ` = `, make("b", {}, score.toFixed(3)));

/** Send an event, and tell when the ranker knows it: what was asked for last is told first. */
async function watch(id, action) {
  const line = make("li");
  const say = (text) => {
    line.textContent = `${action} of post ${id}: ${text}`;
    const told = document.querySelector(`li[data-post="${id}"] .told`);
    if (told) told.textContent = `${action}: ${text}`;
  };
  at("arrivals").prepend(line);
  while (at("arrivals").children.length > 8) at("arrivals").lastChild.remove();
  await trouble(async () => {
    say("sent …");
    const before = await ask(`/api/v1/feed/why-not?post_id=${id}`);
    const start = performance.now();
    const fate = await send(id, action);
    const accepted = `${fate} after ${time(performance.now() - start)}`;
    say(`${accepted}, waiting for the ranker …`);
    let told = null;
    while (!told && performance.now() - start < PATIENCE_MS) {
      told = difference(action, before, await ask(`/api/v1/feed/why-not?post_id=${id}`));
      if (!told) await new Promise((done) => setTimeout(done, POLL_MS));
    }
    const took = time(performance.now() - start);
    say(told ? `${accepted}; ${told} after ${took}` : `${accepted}; not seen within ${took}`);
    if (told && action === "hide") document.querySelector(`li[data-post="${id}"]`)?.remove();
  });
}

/** What an event did to a post, in words; null: nothing yet. */
function difference(action, before, after) {
  if (after.standing !== before.standing || after.rule !== before.rule) {
    return after.standing === "listed" ? after.reason : `it left the feed (${after.rule ?? after.standing})`;
  }
  const name = { share: "shares", impression: "exposures" }[action];
  const [was, is] = [before, after].map((found) => found.explanation?.inputs[name]);
  return name && is > was ? `${name} ${was} → ${is}` : null;
}

/** Where a post stands, or why it does not; `bring` the answer into sight, which stands below the list on a phone. */
export async function why(id, bring = false) {
  at("post").value = id;
  await trouble(async () => {
    const found = await ask(`/api/v1/feed/why-not?post_id=${id}`);
    const told = found.explanation && { explanation: found.explanation, score: found.explanation.score };
    fill(at("standing"),
      make("p", {}, make("b", { className: `standing ${found.standing}` }, found.standing.replace("_", " ")),
        found.rule ? ` by the rule ${found.rule}` : ""),
      make("p", {}, found.standing === "listed" ? `place ${found.position + 1} of ${found.total_count}, ranked now` : found.reason),
      told ? bar(found.explanation.terms) : null, told ? sum(told) : null,
      told ? make("p", { className: "counts" }, words(counts(found.explanation.inputs), `${found.explanation.inputs.interactions} interactions`)) : null,
      found.sources.length ? make("p", { className: "marks" }, ...found.sources.map((one) => make("span", { className: "chip" }, one))) : null);
    if (bring) at("standing").scrollIntoView({ block: "nearest" });
  });
}

/** A pill for what came since: posts of followees, and posts that the first page would show now. */
function pill(newer, others) {
  at("newer").hidden = !(newer || others);
  at("newer").textContent = words(newer ? `${newer} newer` : "", others ? `${others} others in the first ${PAGE}` : "");
}

async function look() {
  if (!tokens.viewer || !shown || at("feed").hidden) return;
  const page = await ask(`/api/v1/feed?limit=${PAGE}`);
  const first = new Set([...at("posts").children].slice(0, PAGE).map((card) => card.dataset.post));
  pill(page.newer, page.posts.filter((post) => !first.has(String(post.post_id))).length);
}

export function start() {
  at("reload").onclick = load;
  at("newer").onclick = async () => { await load(); at("reload").focus(); };
  at("more").onclick = more;
  at("why").onsubmit = (event) => { event.preventDefault(); why(at("post").value.trim()); };
  every(5000, look);
}
