// What trends, and whom to follow.

import { ask, tokens } from "./api.js";
import { ago, at, clock, fill, make, time, words } from "./dom.js";
import { why } from "./feed.js";
import { trouble } from "./trouble.js";

let chosen = "1h";

const line = (page) => words(
  page.fallback ? "fallback" : "", `source ${page.source}`, page.reason, `as of ${clock(page.as_of)}`,
  `${page.count} shown`, page.cold_start ? "cold start" : "", `answered in ${time(page.response_time_ms)}`,
);

export async function trending() {
  if (!tokens.viewer) return;
  await trouble(async () => {
    const page = await ask(`/api/v1/feed/trending?window=${chosen}&limit=50`);
    at("trending-line").textContent = line(page);
    fill(at("trends"), ...page.posts.map((post) => make("li", { className: "card" },
      make("span", { className: "place" }, String(post.position + 1)),
      make("div", {},
        make("p", { className: "title" }, make("b", {}, `post ${post.post_id}`), ` by user ${post.author_id} `,
          make("time", { dateTime: post.created_at }, ago(post.created_at))),
        make("p", { className: "counts" },
          `${post.likes} likes + 2 · ${post.comments} comments + 3 · ${post.shares} shares = ${post.score}`)),
      make("button", { type: "button", className: "small", onclick: () => why(post.post_id, true), aria: { label: `Why: post ${post.post_id}` } }, "Why"))));
  });
}

export async function people() {
  if (!tokens.viewer) return;
  await trouble(async () => {
    const page = await ask("/api/v1/discover/suggested-users?limit=20");
    at("people-line").textContent = line(page);
    fill(at("persons"), ...page.users.map((user, i) => make("li", { className: "card" },
      make("span", { className: "place" }, String(i + 1)),
      make("div", {},
        make("p", { className: "title" }, make("b", {}, user.username), ` user ${user.user_id}, score ${user.score.toFixed(3)}`),
        make("ul", { className: "reasons" }, ...user.reasons.map((reason) =>
          make("li", {}, reason.text, make("span", { className: "amount" }, ` ${reason.term.toFixed(3)}`))))))));
  });
}

export function start() {
  for (const button of document.querySelectorAll("[data-window]")) {
    button.onclick = () => {
      chosen = button.dataset.window;
      for (const other of document.querySelectorAll("[data-window]")) other.setAttribute("aria-pressed", String(other === button));
      trending();
    };
  }
}
