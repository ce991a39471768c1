// The server's API. What comes back is a value, or a `Failure` that knows whether to try again.

// The server gives up after ten seconds, and the load balancer may hold a request while there is no server.
const TIMEOUT_MS = 30_000;

/** Timeout, too early, too many requests, and all that is the server's own trouble: the request itself is not wrong. */
const isPassing = (status) => [408, 425, 429].includes(status) || status >= 500;

/** A request that was not done. Its message is for the person. */
export class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
    /** Whether the same request may succeed later. Without a status it never reached the server. */
    this.again = status === undefined || isPassing(status);
  }
}

/** The list and its tag; nothing when it has the known tag still. */
export async function fetchAll(knownTag) {
  const response = await request("GET", "/todos", { headers: knownTag ? { "If-None-Match": knownTag } : {} });
  if (response.status === 304) return undefined;
  return { todos: await json(response), tag: response.headers.get("ETag") ?? undefined };
}

/** Makes a todo, and gives it back as the server has it; nothing when it is gone again already. */
export async function create(todo) {
  try {
    return await json(await request("POST", "/todos", { body: todo }));
  } catch (failure) {
    // Ids are random, so the one that is there is ours: the answer was lost, and somebody has changed it since.
    if (failure.status !== 409) throw failure;
    return find(todo.id);
  }
}

async function find(id) {
  try {
    return await json(await request("GET", `/todos/${id}`));
  } catch (failure) {
    if (failure.status !== 404) throw failure;
    return undefined;
  }
}

/** Changes some fields of a todo, and gives it back as the server has it. */
export async function change(id, fields) {
  return json(await request("PATCH", `/todos/${id}`, { body: fields }));
}

/** Deletes a todo. One that is gone already is as good. */
export async function remove(id) {
  try {
    await request("DELETE", `/todos/${id}`);
  } catch (failure) {
    if (failure.status !== 404) throw failure;
  }
}

/** Completes every todo, or none, and gives the list back. */
export async function changeAll(completed) {
  return json(await request("PATCH", "/todos", { body: { completed } }));
}

/** Deletes the completed todos. */
export async function removeCompleted() {
  await request("DELETE", "/todos?completed=true");
}

async function request(method, path, { headers = {}, body } = {}) {
  const options = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" };
  // A write that is on its way arrives even when the page is closed meanwhile.
  if (method !== "GET") options.keepalive = true;
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Failure("The server cannot be reached.");
  }
  if (response.ok || response.status === 304) return response;
  throw new Failure(await message(response), response.status);
}

/** An answer that breaks off has not been heard. */
async function json(response) {
  try {
    return await response.json();
  } catch {
    throw new Failure("The server's answer broke off.");
  }
}

async function message(response) {
  if (isPassing(response.status)) return "The server cannot answer now.";
  try {
    const problem = await response.json();
    return `Not saved: ${problem.detail ?? problem.title}.`;
  } catch {
    return `Not saved: the server answered ${response.status}.`;
  }
}
