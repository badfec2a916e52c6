// The feed as its viewer sees it: bars of three terms, where each post came from, what became of an event.

import { Refused, ask, operate, read, send, tokens } from "./api.js";
import { ago, at, clock, every, fill, make, time, words } from "./dom.js";
import { trouble } from "./trouble.js";

const TERMS = ["freshness", "engagement", "affinity"];
const PAGE = 20;
const POLL_MS = 250;
const PATIENCE_MS = 30_000;
let shown = null; // the newest page
let largest = 1;
let writes = []; // what the app's side can do here: something on the admin listener of a sample network

export async function load() {
  if (!tokens.viewer) return;
  await trouble(async () => {
    writes = await sample();
    const page = await ask(`/api/v1/feed?limit=${PAGE}&explain=true`);
    largest = Math.max(1e-9, ...page.posts.map((post) => post.score));
    fill(at("posts"));
    show(page);
  });
}

async function sample() {
  try {
    return tokens.operator ? (await operate("/admin/sample")).body.writes : [];
  } catch (error) {
    if (error instanceof Refused) return []; // no sample network, or no operator of it
    throw error;
  }
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
      button("Hide", () => watch(id, "hide")), button("Why", () => why(id, true))),
    writes.length ? app(post, button) : null);
}

/** What the app would write: as the viewer about the post and its author, and a post as the author. */
function app({ post_id: id, author_id: author }, button) {
  const viewer = read(tokens.viewer).sub;
  const about = (write, target) => () => put(`${write} ${target === id ? "post" : "user"} ${target}`, write, viewer, target, id);
  return make("details", { className: "app" }, make("summary", { aria: { label: `App: post ${id}` } }, "App"),
    make("div", {},
      button("Like", about("like", id)), button("Unlike", about("unlike", id)),
      button("Follow", about("follow", author)), button("Unfollow", about("unfollow", author)),
      button("Block", about("block", author)), button("Unblock", about("unblock", author)),
      button("New post", () => put(`post by user ${author}`, "post", author))));
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

/** Send an event, and tell when the ranker knows it. */
const watch = (id, action) => arrival(`${action} of post ${id}`, action, id, async () => ({ said: await send(id, action), id }));

/** Write a row of the app's, and tell when the ranker knows it; a new post is looked for itself. */
function put(name, write, user, target = null, id = null) {
  const body = { write, user_id: Number(user), ...(target === null ? {} : { target_id: target }) };
  return arrival(name, write, id, async () => {
    const { changed, id: made } = (await operate("/admin/sample", "POST", body)).body;
    return { said: changed ? "written" : "it was so before", id: id ?? made, over: !changed };
  });
}

/** Do something, and tell when the ranker knows it: what was asked for last is told first. */
async function arrival(name, action, about, act) {
  const line = make("li");
  const say = (text) => {
    line.textContent = `${name}: ${text}`;
    const told = document.querySelector(`li[data-post="${about}"] .told`);
    if (told) told.textContent = `${name}: ${text}`;
  };
  at("arrivals").prepend(line);
  while (at("arrivals").children.length > 8) at("arrivals").lastChild.remove();
  await trouble(async () => {
    say("sent …");
    const before = about === null ? null : await ask(`/api/v1/feed/why-not?post_id=${about}`);
    const start = performance.now();
    const { said, id, over } = await act();
    const accepted = `${said} after ${time(performance.now() - start)}`;
    if (over) return say(accepted);
    say(`${accepted}, waiting for the ranker …`);
    let told = null;
    while (!told && performance.now() - start < PATIENCE_MS) {
      told = difference(action, before, await ask(`/api/v1/feed/why-not?post_id=${id}`));
      if (!told) await new Promise((done) => setTimeout(done, POLL_MS));
    }
    const took = time(performance.now() - start);
    say(told ? `${accepted}; ${told} after ${took}` : `${accepted}; not seen within ${took}: the pipeline says where it stands`);
    if (told && action === "hide") document.querySelector(`li[data-post="${id}"]`)?.remove();
    if (told && action === "block") await load();
  });
}

/** What an event did to a post, in words; null: nothing yet. */
function difference(action, before, after) {
  if (before === null) return after.standing === "listed" ? `post ${after.post_id} is at place ${after.position + 1}` : null;
  if (after.standing !== before.standing || after.rule !== before.rule) {
    return after.standing === "listed" ? after.reason : `it left the feed (${after.rule ?? after.standing})`;
  }
  const name = { share: "shares", impression: "exposures", like: "likes", unlike: "likes" }[action];
  const [was, is] = [before, after].map((found) => found.explanation?.inputs[name]);
  if (name) return (action === "unlike" ? is < was : is > was) ? `${name} ${was} → ${is}` : null;
  const [followed, follows] = [before, after].map((found) => found.sources.includes("followee"));
  return followed !== follows ? `its sources are ${after.sources.join(", ") || "none"}` : null;
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
