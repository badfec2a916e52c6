// Flags and configuration: what they are, what a change would do to this feed, and the change.

import { Refused, ask, operate, tokens } from "./api.js";
import { at, clock, fill, make, words } from "./dom.js";
import { arrange, row, score } from "./rank.js";
import { trouble } from "./trouble.js";

const SHOWN = 20;
const RANKING = ["weight_freshness", "weight_engagement", "weight_affinity", "author_distance", "author_max_in_top"];
// What is not told on a listener without /admin: the saturation rule's numbers as the settings have them.
const ELSEWHERE = { author_distance: 3, author_max_in_top: 1 };
let now = null; // {version, config}
let posts = []; // this viewer's whole list, first place first
let ranked = null; // the numbers it was ranked by
let operating = false;

export async function load() {
  if (!tokens.viewer) return;
  await trouble(async () => {
    await list();
    operating = Boolean(tokens.operator) && (await operator());
    at("weights-line").textContent = operating
      ? `Version ${now.version} holds. A change holds in every process within a second.`
      : "Preview only: to change anything, open /console of the admin listener with a token of the scope admin.";
    at("flags").hidden = !operating;
    if (!operating) {
      now = { version: null, config: ranked };
      numbers({}, RANKING);
      fill(at("history"));
    }
    preview();
  });
}

/** The whole list of this viewer, with its signals. */
async function list() {
  posts = [];
  let cursor = "";
  do {
    const page = await ask(`/api/v1/feed?limit=100&explain=true${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    posts.push(...page.posts);
    cursor = page.cursor;
  } while (cursor);
  const by = posts[0]?.explanation.weights ?? { freshness: 0.3, engagement: 0.4, affinity: 0.3 };
  ranked = { weight_freshness: by.freshness, weight_engagement: by.engagement, weight_affinity: by.affinity, ...ELSEWHERE };
}

/** Read what is there to operate; false: not on this listener, or not with this token. */
async function operator() {
  try {
    const [config, flags, document, history] = await Promise.all(
      ["config", "flags", "openapi.json", "runtime/history?limit=8"].map((path) => operate(`/admin/${path}`)));
    now = config.body;
    ranked = { ...ranked, author_distance: now.config.author_distance, author_max_in_top: now.config.author_max_in_top };
    const bodies = (path, method) => document.body.paths[path][method].requestBody.content["application/json"].schema.properties;
    numbers(bodies("/admin/config", "put"), Object.keys(now.config));
    switches(flags.body, bodies("/admin/flags", "patch"));
    told(history.body.versions);
    return true;
  } catch (error) {
    if (error instanceof Refused && [401, 403, 404].includes(error.status)) return false;
    throw error;
  }
}

function numbers(schema, names) {
  fill(at("numbers"), ...names.map((name) => {
    const { minimum = 0, maximum = 1000, type = "number", description = "" } = schema[name] ?? {};
    const input = make("input", { id: `n-${name}`, name, type: "number", min: minimum, max: maximum, step: type === "integer" ? 1 : "any",
      value: now.config[name], required: true, oninput: preview, title: `${minimum} to ${maximum}` });
    if (description) input.setAttribute("aria-describedby", `d-${name}`);
    return make("p", {}, make("label", { htmlFor: `n-${name}` }, name), input,
      description ? make("span", { id: `d-${name}`, className: "hint" }, description) : null);
  }));
}

function switches(body, schema) {
  fill(at("flags"), ...Object.entries(body.flags).map(([name, on]) => make("p", {},
    make("button", { type: "button", className: "switch", aria: { pressed: String(on), describedby: `d-${name}` }, onclick: () => turn(name, !on, body.version) },
      `${name}: ${on ? "on" : "off"}`),
    make("span", { id: `d-${name}`, className: "hint" }, schema[name]?.description ?? ""))));
}

const turn = (name, on, version) => change(() => operate(`/admin/flags?note=console`, "PATCH", { [name]: on }, version));

function told(versions) {
  fill(at("history"), ...versions.map((one) => make("li", {},
    words(`version ${one.version}`, clock(one.made_at), one.made_by, one.note,
      one.problem ?? Object.entries(one.changes ?? {}).map(([name, [was, is]]) => `${name} ${was} → ${is}`).join(", ")),
    " ", one.version === now.version ? null : make("button", { type: "button", className: "small", aria: { label: `Back to version ${one.version}` },
      onclick: () => change(() => operate("/admin/runtime/rollback?note=console", "POST", { version: one.version }, now.version)) }, "Back to it"))));
}

/** The numbers in the form; null while one is not what it may be. */
function wanted() {
  const inputs = [...at("numbers").querySelectorAll("input")];
  if (!inputs.length || inputs.some((input) => !input.validity.valid)) return null;
  return Object.fromEntries(inputs.map((input) => [input.name, Number(input.value)]));
}

/** Places now and then. The page's own arithmetic is checked first: it must give the served order again. */
function preview() {
  const config = wanted();
  at("apply").disabled = !operating || !config || !Object.keys(config).some((name) => config[name] !== now.config[name]);
  if (!config || !posts.length) {
    at("preview-line").textContent = config ? "This viewer's feed is empty." : "A number is not what it may be.";
    return fill(at("preview"));
  }
  const rows = posts.map(row);
  const again = arrange(rows, ranked).every((one, place) => one.id === posts[place].post_id);
  const places = new Map(posts.map((post, place) => [post.post_id, place]));
  const then = arrange(rows, config);
  const moved = then.filter((one, place) => places.get(one.id) !== place).length;
  const fresh = then.slice(0, 10).filter((one) => places.get(one.id) >= 10).length;
  at("preview-line").textContent = words(
    `${moved} of ${posts.length} posts move`, `${fresh} of the first 10 are others`,
    again ? "with the weights it was ranked by, this page finds the served order" : "with the weights it was ranked by, this page does not find the served order: posts were removed since, or the rules changed",
  );
  fill(at("preview"), ...then.slice(0, SHOWN).map((one, place) => {
    const was = places.get(one.id);
    const move = was === place ? "" : was > place ? `▲ ${was - place}` : `▼ ${place - was}`;
    const cells = [place + 1, was + 1, move, one.id, one.author, score(one.signals, ranked).toFixed(3), one.score.toFixed(3)];
    return make("tr", { className: was > place ? "up" : was < place ? "down" : "" }, ...cells.map((cell) => make("td", {}, String(cell))));
  }));
}

/** Make a change, and show what holds then. */
async function change(call) {
  at("applied").textContent = "";
  await trouble(async () => {
    let said;
    try {
      said = `Version ${(await call()).body.version} holds.`;
    } catch (error) {
      if (!(error instanceof Refused && error.status === 412)) throw error;
      said = "Somebody else made a change meanwhile; this is how it is now.";
    }
    await load();
    at("applied").textContent = said;
  });
}

export function start() {
  at("config").onsubmit = (event) => {
    event.preventDefault();
    const config = wanted();
    const note = at("note").value.trim() || "console";
    if (config && operating) change(() => operate(`/admin/config?note=${encodeURIComponent(note)}`, "PUT", config, now.version));
  };
  at("undo").onclick = () => {
    for (const input of at("numbers").querySelectorAll("input")) input.value = now.config[input.name];
    preview();
  };
}
