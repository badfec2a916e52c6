// Health, lag, and how long an event takes to the feed: from /health and /metrics of the process that served this page.

import { open, operate, parse, tokens } from "./api.js";
import { ago, at, every, fill, make, time } from "./dom.js";

const STAGES = ["accept", "broker", "clickhouse", "counters", "cache", "feed", "post"];
let elsewhere = false;
const ELSEWHERE = "Told by the worker alone: see the console of the admin listener (nova up prints its address).";

/** Prometheus' text as name -> list of {labels, value}. */
export function exposition(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const read = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!read) continue;
    const labels = Object.fromEntries([...(read[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((one) => [one[1], one[2]]));
    if (!found.has(read[1])) found.set(read[1], []);
    found.get(read[1]).push({ labels, value: Number(read[3]) });
  }
  return found;
}

/** The upper bound of the bucket that a share of all samples lies below; null without samples. */
export function quantile(samples, share) {
  const buckets = samples.map((one) => [one.labels.le === "+Inf" ? Infinity : Number(one.labels.le), one.value]).sort((a, b) => a[0] - b[0]);
  const all = buckets.at(-1)?.[1] ?? 0;
  return all ? buckets.find((one) => one[1] >= share * all)[0] : null;
}

async function health() {
  const told = parse(await open("/health"));
  fill(at("parts"), ...Object.entries(told.parts ?? {}).map(([name, part]) => make("li", { className: part.status, title: part.detail },
    make("b", {}, name), make("span", { className: part.status === "up" ? "only-read" : "" }, ` ${part.status}`), make("span", { className: "amount" }, ` ${part.latency_ms.toFixed(1)} ms`))));
}

async function measures() {
  const found = exposition(await open("/metrics"));
  stages(found);
  const groups = new Map();
  for (const { labels, value } of found.get("nova_feed_kafka_consumer_lag") ?? []) {
    const group = groups.get(labels.group) ?? { records: 0, topic: "", most: 0 };
    group.records += value;
    if (value > group.most) Object.assign(group, { topic: labels.topic, most: value });
    groups.set(labels.group, group);
  }
  fill(at("lag"), groups.size ? table(["group", "most of", "records"],
    [...groups].sort().map(([name, group]) => [name, group.topic, String(group.records)]))
    : make("p", { className: "hint" }, ELSEWHERE));
}

function stages(found) {
  const last = new Map((found.get("nova_feed_canary_seconds") ?? []).map((one) => [one.labels.stage, one.value * 1000]));
  const buckets = found.get("nova_feed_event_to_visible_seconds_bucket") ?? [];
  const when = Math.max(0, ...(found.get("nova_feed_canary_last_success_timestamp_seconds") ?? []).map((one) => one.value));
  if (!last.size || !when) return fill(at("stages"), make("p", { className: "hint" }, ELSEWHERE));
  const rows = STAGES.filter((stage) => last.has(stage)).map((stage) => {
    const p95 = quantile(buckets.filter((one) => one.labels.stage === stage), 0.95);
    return [stage, time(last.get(stage)), p95 === null ? "" : p95 === Infinity ? "above all" : `≤ ${time(p95 * 1000)}`];
  });
  fill(at("stages"), table(["stage", "last", "P95"], rows), make("p", { className: "hint" }, `canary, ${ago(when * 1000)}; post: INSERT to feed`));
}

const table = (heads, rows) => make("table", {},
  make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
  make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))));

/** What only an operator is told, where there is one. */
async function system() {
  if (!tokens.operator || elsewhere) return fill(at("system"));
  try {
    const { body } = await operate("/debug/system/state");
    const open = body.processes.flatMap((one) => Object.entries(one.breakers).filter(([, state]) => state !== "closed").map(([name, state]) => `${name} ${state}`));
    fill(at("system"), make("h3", {}, "Processes"), table(["process", "version of weights"],
      body.processes.map((one) => [`${one.process} (${one.pid})`, String(one.runtime_version)])),
      make("p", { className: "hint" }, `outbox ${body.outbox_events ?? "?"} events; breakers ${open.length ? open.join(", ") : "all closed"}`));
  } catch (error) {
    elsewhere = error.status === 404; // not on this listener: not asked again
    fill(at("system"));
  }
}

export function start() {
  every(5000, health);
  every(2000, measures);
  every(5000, system);
}
