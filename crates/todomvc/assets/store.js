// The todos as this browser knows them: pure state, no network and no page.
//
// What the server said and what the person did meanwhile are kept apart: a
// `pending` change of ours lies over the server's until the server has it, so
// that an echo or a remote change never takes back what was just typed.

/**
 * @typedef {{id: string, title: string, completed: boolean, order: number}} Todo
 * @typedef {{title?: string, completed?: boolean}} Fields
 */

export class Store {
  /** @type {Map<string, Todo>} What the server has. */
  #confirmed = new Map();
  /** @type {Map<string, {fields: Fields, gone: boolean, todo?: Todo, count: number}>} What we did over it. */
  #pending = new Map();

  /** The whole list, as the server gave it. */
  reset(todos) {
    this.#confirmed = new Map(todos.map((todo) => [todo.id, pick(todo)]));
  }

  /** One todo, as the server gave it. */
  put(todo) {
    this.#confirmed.set(todo.id, pick(todo));
  }

  /** Todos that the server no longer has. */
  remove(ids) {
    for (const id of ids) this.#confirmed.delete(id);
  }

  /** A todo of ours that the server does not have yet. */
  add(todo) {
    this.#pending.set(todo.id, { fields: {}, gone: false, todo: pick(todo), count: 1 });
  }

  /** A change of ours that is on its way. */
  change(id, fields) {
    const mine = this.#mine(id);
    Object.assign(mine.fields, fields);
    mine.count += 1;
  }

  /** A removal of ours that is on its way. */
  drop(id) {
    const mine = this.#mine(id);
    mine.gone = true;
    mine.count += 1;
  }

  /** One of our changes has arrived, or was refused for good: the server's word counts. */
  settle(id) {
    const mine = this.#pending.get(id);
    if (!mine) return;
    mine.count -= 1;
    if (mine.count <= 0) this.#pending.delete(id);
  }

  #mine(id) {
    if (!this.#pending.has(id)) this.#pending.set(id, { fields: {}, gone: false, count: 0 });
    return this.#pending.get(id);
  }

  /** @returns {Todo | undefined} The todo as the person sees it. */
  get(id) {
    const mine = this.#pending.get(id);
    const base = this.#confirmed.get(id) ?? mine?.todo;
    if (!base || mine?.gone) return undefined;
    return mine ? { ...base, ...mine.fields } : base;
  }

  /** @returns {Todo[]} All of them, in order. */
  list() {
    const ids = new Set([...this.#confirmed.keys(), ...this.#pending.keys()]);
    const todos = [...ids].map((id) => this.get(id)).filter((todo) => todo !== undefined);
    // Equal ones stay as they came, which is how the server has them: by age.
    return todos.sort((a, b) => a.order - b.order);
  }

  /** The order of a todo that goes behind all others. */
  nextOrder() {
    return this.list().reduce((last, todo) => Math.max(last, todo.order), 0) + 1;
  }
}

/** Only what we know of; the server may say more. */
function pick({ id, title, completed, order }) {
  return { id, title, completed: completed ?? false, order: order ?? 0 };
}
