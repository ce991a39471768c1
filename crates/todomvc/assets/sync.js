// Keeps the store and the server together: our changes go out one after the
// other and are repeated until the server has them; its changes come in by an
// event stream, which catches up by itself after a lost connection.

import * as api from "./api.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export class Sync {
  #store;
  #changed;
  #tell;
  /** @type {{ids: string[], send: () => Promise<void>}[]} */
  #queue = [];
  /** Todos that the stream told of since our last request went out. */
  #heard = new Set();
  #sending = false;
  /** Changes that the stream told of while the list was on its way: the list may be older than they are. */
  #early = [];
  #events;
  #tag;
  #refetching;
  #again = false;

  /**
   * @param {import("./store.js").Store} store
   * @param {() => void} changed The store is no longer what is shown.
   * @param {(text: string, isProblem?: boolean) => void} tell Says to the person how it stands.
   */
  constructor(store, changed, tell) {
    this.#store = store;
    this.#changed = changed;
    this.#tell = tell;
  }

  /** Whether something of ours has not arrived. */
  get unsent() {
    return this.#queue.length > 0;
  }

  start() {
    this.refetch();
    this.#listen(FIRST_PAUSE_MS);
    // A stream that died with the network, or in a sleeping laptop, may not know it.
    addEventListener("online", () => this.#listen(FIRST_PAUSE_MS));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refetch();
    });
  }

  create(todo) {
    this.#store.add(todo);
    this.#enqueue([todo.id], async () => this.#answered(await api.create(todo)));
  }

  change(id, fields) {
    this.#store.change(id, fields);
    this.#enqueue([id], async () => this.#answered(await api.change(id, fields)));
  }

  remove(id) {
    this.#store.drop(id);
    this.#enqueue([id], async () => {
      await api.remove(id);
      this.#store.remove([id]);
    });
  }

  changeAll(completed) {
    const ids = this.#store.list().filter((todo) => todo.completed !== completed).map((todo) => todo.id);
    for (const id of ids) this.#store.change(id, { completed });
    this.#enqueue(ids, async () => {
      await api.changeAll(completed);
      await this.refetch();
    });
  }

  removeCompleted() {
    const ids = this.#store.list().filter((todo) => todo.completed).map((todo) => todo.id);
    for (const id of ids) this.#store.drop(id);
    this.#enqueue(ids, async () => {
      await api.removeCompleted();
      this.#store.remove(ids);
    });
  }

  /**
   * Takes the answer to a write. What the stream said meanwhile is as new or
   * newer, since it comes in the order of the commits.
   */
  #answered(todo) {
    if (!this.#heard.has(todo.id)) this.#store.put(todo);
  }

  #enqueue(ids, send) {
    this.#queue.push({ ids, send });
    this.#changed();
    this.#drain();
  }

  async #drain() {
    if (this.#sending) return;
    this.#sending = true;
    let pause = FIRST_PAUSE_MS;
    while (this.#queue.length > 0) {
      const [{ ids, send }] = this.#queue;
      this.#heard.clear();
      try {
        await send();
        // What we have is no longer the list that the tag stands for.
        this.#tag = undefined;
        pause = FIRST_PAUSE_MS;
        this.#tell("");
      } catch (failure) {
        if (failure.again) {
          this.#tell(`${failure.message} Your changes are kept here, and sent when it is back.`);
          await sleep(pause);
          pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
          continue;
        }
        // The server's word counts from here on, so it must be heard first.
        this.#tag = undefined;
        await this.refetch();
        this.#tell(failure.message, true);
      }
      this.#queue.shift();
      for (const id of ids) this.#store.settle(id);
      this.#changed();
    }
    this.#sending = false;
  }

  /** Gets the list where it is another one than ours. Calls that come meanwhile share one more. */
  refetch() {
    this.#again = true;
    this.#refetching ??= this.#refetchUntilQuiet().finally(() => {
      this.#refetching = undefined;
    });
    return this.#refetching;
  }

  async #refetchUntilQuiet() {
    let pause = FIRST_PAUSE_MS;
    while (this.#again) {
      this.#again = false;
      try {
        const fetched = await api.fetchAll(this.#tag);
        if (fetched) {
          this.#tag = fetched.tag;
          this.#store.reset(fetched.todos);
          this.#changed();
        }
        for (const change of this.#early.splice(0)) this.#apply(change);
        if (!this.unsent) this.#tell("");
      } catch (failure) {
        this.#tell(`${failure.message} Trying again.`);
        this.#again = true;
        await sleep(pause);
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
  }

  #listen(pause) {
    this.#events?.close();
    const events = new EventSource("/events");
    this.#events = events;
    events.addEventListener("open", () => {
      pause = FIRST_PAUSE_MS;
    });
    events.addEventListener("reset", () => this.refetch());
    events.addEventListener("change", (event) => this.#take(JSON.parse(event.data)));
    events.addEventListener("error", () => {
      // The browser tries again by itself, except after an answer such as 503.
      if (events.readyState !== EventSource.CLOSED) return;
      setTimeout(() => {
        if (this.#events === events) this.#listen(Math.min(pause * 2, LONGEST_PAUSE_MS));
      }, jittered(pause));
    });
  }

  #take(change) {
    for (const id of change.ids ?? [change.todo?.id]) this.#heard.add(id);
    if (this.#refetching) this.#early.push(change);
    this.#apply(change);
  }

  #apply(change) {
    // The list is no longer the one that our tag stands for.
    this.#tag = undefined;
    if (change.type === "put") this.#store.put(change.todo);
    else if (change.type === "delete") this.#store.remove(change.ids);
    else this.refetch();
    this.#changed();
  }
}

/** Clients that lost one server must not all come back in one moment. */
const jittered = (ms) => ms * (0.5 + Math.random());
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, jittered(ms)));
