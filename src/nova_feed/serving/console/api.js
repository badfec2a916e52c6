// The token of the viewer, that of the operator, and requests to the service that served this page.
// Tokens live in sessionStorage (this tab, until it is closed), and are sent in the Authorization header alone.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
  }
}

export const tokens = {
  get viewer() { return sessionStorage.getItem("nova.viewer"); },
  get operator() { return sessionStorage.getItem("nova.operator"); },
  /** Take a token: to view as its subject; with the scope admin also to operate. False: it is no token. */
  take(token) {
    const claims = read(token);
    if (!claims) return false;
    sessionStorage.setItem("nova.viewer", token);
    if (scopes(claims).includes("admin")) sessionStorage.setItem("nova.operator", token);
    return true;
  },
  forget() { sessionStorage.clear(); },
};

/** What a token says of itself. Only shown: it is the service that judges it. */
export function read(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(atob(part));
    return claims.sub ? claims : null;
  } catch { return null; }
}

const scopes = (claims) => String(claims.scope || "").split(" ");

/** Ask as the viewer. The answer's body; raises Refused. */
export const ask = async (path) => (await request(path, tokens.viewer)).body;

/** Ask as the operator: the body and the version it is of. */
export const operate = (path, method = "GET", body = undefined, version = undefined) =>
  request(path, tokens.operator, { method, body: body === undefined ? undefined : JSON.stringify(body), version });

/** Send one event as the viewer: its fate. */
export async function send(post, action) {
  const body = `{"events":[{"post_id":${post},"action":"${action}","event_id":"${crypto.randomUUID()}"}]}`;
  return (await request("/api/v1/events", tokens.viewer, { method: "POST", body })).body.results[0].status;
}

/** Text that needs no token. */
export async function open(path) {
  const answer = await fetch(path, { cache: "no-store", credentials: "omit" });
  return answer.text();
}

async function request(path, token, { method = "GET", body, version } = {}) {
  const headers = { accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (version !== undefined) headers["if-match"] = `"${version}"`;
  const answer = await fetch(path, { method, body, headers, cache: "no-store", credentials: "omit" });
  const found = parse(await answer.text());
  if (!answer.ok) throw new Refused(answer.status, found);
  return { body: found, status: answer.status };
}

/** JSON, in which an id too large for a number stays as it was written. */
export function parse(text) {
  const exact = (_, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^\d+$/.test(context?.source ?? "") ? context.source : value;
  try { return JSON.parse(text, exact); } catch { return {}; }
}
