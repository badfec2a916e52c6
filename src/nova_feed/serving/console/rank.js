// The order a list would have under other weights: the ranker's own rules, of posts whose signals are known.
// Signals do not depend on weights, so nothing is asked for; a test compares every list with the ranker itself.

const GRID = 2 ** 32; // terms are multiples of 1 / GRID, so that they add up exactly
const TOP = 5; // within which an author may stand `author_max_in_top` times
const EVERY = 10; // one place in so many is drawn by lot, in lists of viewers of whom nothing is known

/** A post of an answer with explain=true as what this file works on. */
export const row = (post) => ({
  id: post.post_id, author: post.author_id, created: post.explanation.inputs.created_ms, seen: post.seen,
  drawn: post.propensity > 0, before: post.explanation.rank_before, signals: post.explanation.signals,
});

/** The three terms of a post. */
export const terms = (signals, weights) => ({
  freshness: grid(weights.weight_freshness * signals.freshness),
  engagement: grid(weights.weight_engagement * signals.engagement),
  affinity: grid(weights.weight_affinity * signals.affinity),
});

const grid = (term) => Math.round(term * GRID) / GRID;

export function score(signals, weights) {
  const { freshness, engagement, affinity } = terms(signals, weights);
  return freshness + engagement + affinity;
}

/** Rows from first to last place. What was seen stands at the end, as in a list; `config` as in /admin/config. */
export function arrange(rows, config) {
  const scored = rows.map((one) => ({ ...one, score: score(one.signals, config) }));
  const places = { last: new Map(), inTop: new Map() };
  const order = [];
  for (const part of [scored.filter((one) => !one.seen), scored.filter((one) => one.seen)]) {
    saturate(blend(part), config, places, order);
  }
  return order;
}

/** Best score first, then the newer post, then the larger id; posts that were drawn keep the places of the lot. */
function blend(rows) {
  const ordered = rows.filter((one) => !one.drawn).sort((a, b) => b.score - a.score || b.created - a.created || b.id - a.id);
  const drawn = rows.filter((one) => one.drawn).sort((a, b) => a.before - b.before);
  const count = ordered.length;
  drawn.forEach((one, k) => ordered.splice(Math.min((k + 1) * (EVERY - 1), count) + k, 0, one));
  return ordered;
}

/** The best row whose author is far enough away takes each place; if there is none, that of the author farthest away. */
function saturate(rows, config, { last, inTop }, order) {
  const left = [...rows];
  while (left.length) {
    const position = order.length;
    const since = (one) => (last.has(one.author) ? position - last.get(one.author) : Infinity);
    const crowded = (one) => position < TOP && (inTop.get(one.author) ?? 0) >= config.author_max_in_top;
    let at = left.findIndex((one) => since(one) >= config.author_distance && !crowded(one));
    if (at < 0) {
      const farthest = Math.max(...left.map(since));
      at = left.findIndex((one) => since(one) === farthest);
    }
    const [taken] = left.splice(at, 1);
    last.set(taken.author, position);
    if (position < TOP) inTop.set(taken.author, (inTop.get(taken.author) ?? 0) + 1);
    order.push(taken);
  }
}
