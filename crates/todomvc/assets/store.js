// The todos as this browser knows them: pure state, no network and no page.
//
// What the server said (`confirmed`) and what the person did (`writes`) are
// kept apart. A write lies over the server's word until the stream has told it
// back, so that neither an echo nor an older answer takes back what was typed.
// Changes are noted by id, so that the page touches only what differs.

/**
 * @typedef {{id: string, title: string, completed: boolean, order: number}} Todo
 * @typedef {Todo & {age: number}} Aged `age` keeps equal orders as the server has them: by age.
 * @typedef {{title?: string, completed?: boolean}} Fields
 * @typedef {object} Write One change of ours to one todo.
 * @property {string} id
 * @property {Aged} [todo] What was made.
 * @property {Fields} [fields] What was changed.
 * @property {boolean} [gone] Whether it was removed.
 * @property {"waiting" | "sending" | "held"} state `held`: answered, but not yet told back by the stream.
 * @property {boolean} heard Whether the stream told of the todo since the write is being sent.
 * @property {boolean} echoed Whether the stream told this very change.
 * @property {number} tick When it was answered.
 */

export class Store {
  /** Whether the server's list is known; before that a new todo's place is the server's to find. */
  loaded = false;
  /** How many todos are not completed. */
  left = 0;
  /** @type {Map<string, Aged>} What the server has. */
  #confirmed = new Map();
  /** @type {Map<string, Write[]>} What we did over it, oldest first. */
  #writes = new Map();
  /** @type {Map<string, Aged>} The two together: what the person sees. */
  #shown = new Map();
  /** @type {Aged[]} What the person sees, in order. */
  #sorted = [];
  /** @type {Set<string>} What differs since the page asked last. */
  #touched = new Set();
  #age = 0;
  #tick = 0;

  // What the server says.

  /** A moment, to be given to `reset` when the list that is asked for now has come. */
  now() {
    return ++this.#tick;
  }

  /** The whole list, as the server had it some time after `asked`. */
  reset(todos, asked) {
    this.loaded = true;
    this.#age = 0;
    this.#confirmed = new Map(todos.map((todo) => [todo.id, pick(todo, ++this.#age)]));
    for (const writes of [...this.#writes.values()]) {
      for (const write of [...writes]) {
        if (write.todo) write.todo.age = ++this.#age;
        // The list is newer than the answer, so it has what was written.
        if (write.state === "held" && write.tick < asked) this.#forget(write);
      }
    }
    this.#rebuild();
  }

  /** A todo that the stream told of. */
  put(todo) {
    this.#confirm(todo);
    const sent = this.#of(todo.id).filter((write) => write.state !== "waiting");
    for (const write of sent) write.heard = true;
    // Only the oldest that agrees: one told later may be that of a newer write, which says the same again.
    const echoed = sent.find((write) => !write.gone && agrees(todo, write.todo ?? write.fields));
    if (echoed?.state === "sending") echoed.echoed = true;
    if (echoed?.state === "held") this.#forgetUpTo(echoed);
    this.#refresh(todo.id);
  }

  /** Todos of which the stream told that they are gone. */
  remove(ids) {
    for (const id of ids) {
      this.#confirmed.delete(id);
      for (const write of [...this.#of(id)]) {
        if (write.state === "waiting") break;
        write.heard = true;
        // What we made was there, or it could not be gone.
        write.todo = undefined;
        if (write.state === "held") this.#forget(write);
        else write.echoed = true;
      }
      this.#refresh(id);
    }
  }

  // What we do. Each gives back the write that is then sent, and settled.

  /** A todo of ours that the server does not have yet. Without an order it goes behind all others. */
  add(todo) {
    return this.#write(todo.id, { todo: pick({ order: Infinity, ...todo }, ++this.#age) });
  }

  /** @param {Fields} fields */
  change(id, fields) {
    return this.#write(id, { fields });
  }

  drop(id) {
    return this.#write(id, { gone: true });
  }

  /** The write is on its way. Said again at each attempt; what was heard since the first one counts. */
  sending(write) {
    write.state = "sending";
  }

  /** The server's answer to a write: the todo, or nothing when there is no such todo any more. */
  answered(write, todo) {
    // What the stream said meanwhile is as new or newer, since it comes in the order of the commits.
    if (!write.heard) {
      if (todo) this.#confirm(todo);
      else this.#confirmed.delete(write.id);
    }
    if (write.echoed) this.#forget(write);
    else Object.assign(write, { state: "held", tick: this.now() });
    this.#refresh(write.id);
  }

  /** The write no longer counts: it was refused, or its echo does not come. */
  settle(write) {
    this.#forget(write);
    this.#refresh(write.id);
  }

  // What the person sees.

  /** @returns {Todo | undefined} */
  get(id) {
    return this.#shown.get(id);
  }

  /** @returns {readonly Todo[]} All of them, in order. */
  list() {
    return this.#sorted;
  }

  /** How many todos are before this one. */
  rank(id) {
    return this.#place(this.#shown.get(id));
  }

  /** @returns {string | undefined} The id of the todo behind this one. */
  after(id) {
    return this.#sorted[this.rank(id) + 1]?.id;
  }

  /** The order of a todo that goes behind all others; nothing where only the server can tell. */
  nextOrder() {
    const next = (this.#sorted.at(-1)?.order ?? 0) + 1;
    return this.loaded && Number.isSafeInteger(next) ? next : undefined;
  }

  /** @returns {Set<string>} The ids of what differs since the last call. */
  take() {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  #of(id) {
    return this.#writes.get(id) ?? [];
  }

  #write(id, change) {
    const write = { id, ...change, state: "waiting", heard: false, echoed: false, tick: 0 };
    this.#writes.set(id, [...this.#of(id), write]);
    this.#refresh(id);
    return write;
  }

  #forget(write) {
    const others = this.#of(write.id).filter((other) => other !== write);
    if (others.length > 0) this.#writes.set(write.id, others);
    else this.#writes.delete(write.id);
  }

  /** The stream tells changes in their order: what was answered before this one is told as well. */
  #forgetUpTo(write) {
    const writes = this.#of(write.id);
    for (const earlier of writes.slice(0, writes.indexOf(write) + 1)) this.#forget(earlier);
  }

  #confirm(todo) {
    const known = this.#confirmed.get(todo.id) ?? this.#of(todo.id).find((write) => write.todo)?.todo;
    this.#confirmed.set(todo.id, pick(todo, known?.age ?? ++this.#age));
  }

  /** @returns {Aged | undefined} The server's todo with our writes over it. */
  #together(id) {
    let todo = this.#confirmed.get(id);
    for (const write of this.#of(id)) {
      if (write.gone) todo = undefined;
      else if (write.fields) todo = todo && { ...todo, ...write.fields };
      else todo ??= write.todo;
    }
    return todo;
  }

  #refresh(id) {
    const before = this.#shown.get(id);
    const todo = this.#together(id);
    if (same(before, todo)) return;
    this.#touched.add(id);
    if (before) this.left -= before.completed ? 0 : 1;
    if (todo) this.left += todo.completed ? 0 : 1;
    if (before && todo && compare(before, todo) === 0) {
      this.#sorted[this.#place(before)] = todo;
    } else {
      if (before) this.#sorted.splice(this.#place(before), 1);
      if (todo) this.#sorted.splice(this.#place(todo), 0, todo);
    }
    if (todo) this.#shown.set(id, todo);
    else this.#shown.delete(id);
  }

  #rebuild() {
    const before = this.#shown;
    const ids = new Set([...this.#confirmed.keys(), ...this.#writes.keys()]);
    this.#sorted = [...ids].map((id) => this.#together(id)).filter((todo) => todo !== undefined).sort(compare);
    this.#shown = new Map(this.#sorted.map((todo) => [todo.id, todo]));
    this.left = this.#sorted.reduce((left, todo) => left + (todo.completed ? 0 : 1), 0);
    for (const id of before.keys()) if (!this.#shown.has(id)) this.#touched.add(id);
    // A todo keeps its place when it follows the same one as before, among those that were there and still are.
    const kept = [...before.keys()].filter((id) => this.#shown.has(id)).sort((a, b) => compare(before.get(a), before.get(b)));
    let at = 0;
    for (const todo of this.#sorted) {
      const old = before.get(todo.id);
      if (!old || kept[at++] !== todo.id || !same(old, { ...todo, age: old.age })) this.#touched.add(todo.id);
    }
  }

  /** Where the todo is among the sorted ones, or belongs. */
  #place(todo) {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#sorted[middle], todo) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Only what we know of; the server may say more. */
function pick({ id, title, completed, order }, age) {
  return { id, title, completed: completed ?? false, order: order ?? 0, age };
}

function compare(a, b) {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.age - b.age;
}

function same(a, b) {
  if (!a || !b) return a === b;
  return a.title === b.title && a.completed === b.completed && compare(a, b) === 0;
}

/** Whether the server's todo says what was written. The order may have been the server's to find. */
function agrees(todo, { title = todo.title, completed = todo.completed } = {}) {
  return todo.title === title && todo.completed === completed;
}
