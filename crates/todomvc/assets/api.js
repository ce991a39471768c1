// The server's API. An answer is a value; a failure is `Unreachable` when trying again may help, else `Refused`.

// The server gives up after ten seconds, and the load balancer may hold a request while there is no server.
const TIMEOUT_MS = 30_000;

// Timeout, too early, too many requests, bad gateway, unavailable, gateway timeout: none of them says that the request
// is wrong.
const PASSING = new Set([408, 425, 429, 502, 503, 504]);

/** The request did not get through, or the server cannot answer now. */
export class Unreachable extends Error {
  constructor(message, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The server answered that it will not do this. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The list and its revision; nothing when the list is at the known revision still. */
export async function list(knownRevision) {
  const headers = knownRevision ? { "If-None-Match": knownRevision } : {};
  const response = await request("GET", "/todos", { headers });
  if (response.status === 304) return null;
  return { todos: await body(response), revision: response.headers.get("ETag") };
}

export async function create(todo) {
  return body(await request("POST", "/todos", { json: todo }));
}

export async function change(id, fields) {
  return body(await request("PATCH", `/todos/${id}`, { json: fields }));
}

export async function remove(id) {
  await request("DELETE", `/todos/${id}`);
}

export async function changeAll(fields) {
  await request("PATCH", "/todos", { json: fields });
}

export async function removeCompleted() {
  await request("DELETE", "/todos?completed=true");
}

async function request(method, path, { headers = {}, json } = {}) {
  const options = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" };
  // A change that is on its way arrives even when the page is closed meanwhile.
  if (method !== "GET") options.keepalive = true;
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw new Unreachable(error.message);
  }
  if (response.ok || response.status === 304) return response;
  const detail = await problem(response);
  if (!PASSING.has(response.status)) throw new Refused(detail, response.status);
  throw new Unreachable(detail, 1000 * (Number(response.headers.get("Retry-After")) || 0));
}

/** An answer that breaks off has not been heard. */
async function body(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new Unreachable(error.message);
  }
}

async function problem(response) {
  try {
    return (await response.json()).detail ?? response.statusText;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}
