// Keeps the store and the server together: what the person does is shown at
// once and sent by the queue; what others do comes in by the stream.

import * as api from "./api.js";
import { ALL, Pauses, Queue } from "./queue.js";
import { Stream } from "./stream.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
// How long the stream may take to tell a change back. A write that changed nothing is never told.
const ECHO_MS = 3_000;

export class Sync {
  #store;
  #page;
  #queue = new Queue(() => this.#tellState());
  #stream = new Stream({
    reset: (revision) => revision !== this.#tag && this.refetch(),
    change: (change) => this.#take(change),
    state: () => this.#onStream(),
  });
  /** The tag of the list that the store was last given; nothing once the list is another. */
  #tag;
  #refetching;
  #again = false;
  #unreachable = false;
  #pauses = new Pauses();
  /** Changes that the stream told of while the list was on its way: the list may be older than they are. */
  #early = [];

  /**
   * @param {import("./store.js").Store} store
   * @param {{changed: () => void, problem: (text: string) => void,
   *          state: (state: {unsent: boolean, offline: boolean}) => void}} page What is to be told.
   */
  constructor(store, page) {
    this.#store = store;
    this.#page = page;
  }

  /** Whether something of ours has not arrived. */
  get unsent() {
    return this.#queue.unsent;
  }

  start() {
    this.refetch();
    this.#stream.start();
  }

  add(id, title) {
    const order = this.#store.nextOrder();
    const todo = { id, title, completed: false, order };
    // Without an order the server finds the place, so the next one has to wait.
    this.#send(order === undefined ? ALL : id, [this.#store.add(todo)], async () => [await api.create(todo)]);
  }

  change(id, fields) {
    this.#send(id, [this.#store.change(id, fields)], async () => [await api.change(id, fields)]);
  }

  remove(id) {
    this.#send(id, [this.#store.drop(id)], async () => {
      await api.remove(id);
      return [];
    });
  }

  changeAll(completed) {
    const others = this.#store.list().filter((todo) => todo.completed !== completed);
    const writes = others.map((todo) => this.#store.change(todo.id, { completed }));
    this.#send(ALL, writes, () => api.changeAll(completed));
  }

  removeCompleted() {
    const completed = this.#store.list().filter((todo) => todo.completed);
    const writes = completed.map((todo) => this.#store.drop(todo.id));
    this.#send(ALL, writes, async () => {
      await api.removeCompleted();
      return [];
    });
  }

  /** @param {() => Promise<object[]>} request Gives the todos as they are after it. */
  #send(about, writes, request) {
    this.#page.changed();
    this.#queue.push({
      about,
      send: async () => {
        for (const write of writes) this.#store.sending(write);
        const answer = await request();
        const todos = new Map(answer.map((todo) => [todo?.id, todo]));
        for (const write of writes) this.#store.answered(write, todos.get(write.id));
        this.#tag = undefined;
        this.#page.changed();
        this.#settleLater(writes);
      },
      refused: async (failure) => {
        this.#page.problem(failure.message);
        // The server's word counts from here on, so it must be heard first.
        this.#tag = undefined;
        await this.refetch();
        this.#settle(writes);
      },
    });
  }

  #settleLater(writes) {
    setTimeout(() => {
      // Without the stream what was answered may be newer than the store; the stream's return brings the list.
      if (this.#stream.open) this.#settle(writes);
      else this.#settleLater(writes);
    }, ECHO_MS);
  }

  #settle(writes) {
    for (const write of writes) this.#store.settle(write);
    this.#page.changed();
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
      const asked = this.#store.now();
      try {
        const fetched = await api.fetchAll(this.#tag);
        if (fetched) {
          this.#store.reset(fetched.todos, asked);
          this.#tag = fetched.tag;
        }
        for (const change of this.#early.splice(0)) this.#apply(change);
        this.#page.changed();
        this.#unreachable = false;
        this.#tellState();
      } catch (failure) {
        this.#again = true;
        this.#unreachable = true;
        this.#tellState();
        await this.#pauses.sleep(pause);
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
  }

  #take(change) {
    if (change.type === "reset") this.refetch();
    else if (this.#refetching) this.#early.push(change);
    this.#apply(change);
    this.#page.changed();
  }

  #apply(change) {
    // The list is no longer the one that our tag stands for.
    this.#tag = undefined;
    if (change.type === "put") this.#store.put(change.todo);
    if (change.type === "delete") this.#store.remove(change.ids);
  }

  #onStream() {
    if (this.#stream.open) {
      this.#queue.wake();
      this.#pauses.end();
    }
    this.#tellState();
  }

  #tellState() {
    const offline = this.#queue.failing || this.#unreachable || !this.#stream.open;
    this.#page.state({ unsent: this.unsent, offline });
  }
}
