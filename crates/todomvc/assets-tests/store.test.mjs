// The store alone: what is shown, for each order in which the person, the answers and the stream may come.
// Run with: node --test crates/todomvc/assets-tests/*.test.mjs

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { Store } = await load("store.js");

const todo = (id, more = {}) => ({ id, title: id, completed: false, order: 1, url: `/todos/${id}`, ...more });

/** A store that was given these as the server's list. */
function storeOf(...todos) {
  const store = new Store();
  store.reset(todos, store.now());
  store.take();
  return store;
}

/** What the person sees, in short. */
const shown = (store) => store.list().map(({ title, completed }) => (completed ? "x " : "") + title);
const ids = (store) => store.list().map(({ id }) => id);

test("todos are sorted by order, equal ones by age", () => {
  const store = storeOf(todo("z", { order: 2 }), todo("b"), todo("a"));
  assert.deepEqual(ids(store), ["b", "a", "z"]);
  store.put(todo("0"));
  assert.deepEqual(ids(store), ["b", "a", "0", "z"]);
  store.put(todo("b", { order: 3 }));
  assert.deepEqual(ids(store), ["a", "0", "z", "b"]);
  assert.equal(store.after("z"), "b");
  assert.equal(store.after("b"), undefined);
});

test("only what differs is touched", () => {
  const store = storeOf(todo("a"), todo("b"), todo("c"));
  store.put(todo("b"));
  assert.deepEqual([...store.take()], []);
  store.put(todo("b", { completed: true }));
  assert.deepEqual([...store.take()], ["b"]);
  store.reset([todo("a"), todo("c"), todo("d")], store.now());
  assert.deepEqual([...store.take()].sort(), ["b", "d"]);
});

test("a list in another order touches what moved", () => {
  const store = storeOf(todo("a"), todo("b"));
  store.reset([todo("b"), todo("a")], store.now());
  assert.deepEqual(ids(store), ["b", "a"]);
  assert.notEqual(store.take().size, 0);
});

test("what is left is counted through every kind of change", () => {
  const store = storeOf(todo("a"), todo("b", { completed: true }));
  assert.equal(store.left, 1);
  store.change("a", { completed: true });
  assert.equal(store.left, 0);
  store.add(todo("c"));
  assert.equal(store.left, 1);
  store.drop("c");
  assert.equal(store.left, 0);
  store.put(todo("b"));
  assert.equal(store.left, 1);
  store.remove(["b"]);
  assert.equal(store.left, 0);
});

test("a new todo goes behind all others, and before the list is known only the server can tell where", () => {
  const store = new Store();
  assert.equal(store.nextOrder(), undefined);
  const { order, ...without } = todo("early");
  store.add(without);
  store.reset([todo("a", { order: 7 })], store.now());
  assert.deepEqual(ids(store), ["a", "early"]);
  assert.equal(storeOf(todo("a", { order: 7 })).nextOrder(), 8);
  assert.equal(storeOf().nextOrder(), 1);
  assert.equal(storeOf(todo("a", { order: 2 ** 63 })).nextOrder(), undefined);
});

test("echoes of earlier writes do not take back a newer one", () => {
  const store = storeOf(todo("a"));
  const writes = [true, false, true].map((completed) => store.change("a", { completed }));
  for (const [at, completed] of [true, false, true].entries()) {
    store.sending(writes[at]);
    store.answered(writes[at], todo("a", { completed }));
    assert.deepEqual(shown(store), ["x a"]);
  }
  for (const completed of [true, false, true]) {
    store.put(todo("a", { completed }));
    assert.deepEqual(shown(store), ["x a"]);
  }
  store.put(todo("a", { title: "theirs" }));
  assert.deepEqual(shown(store), ["theirs"], "what comes after the last echo is somebody else's");
});

test("an echo before the answer counts as well", () => {
  const store = storeOf(todo("a"));
  const write = store.change("a", { title: "mine" });
  store.sending(write);
  store.put(todo("a", { title: "mine" }));
  store.put(todo("a", { title: "theirs, later" }));
  store.answered(write, todo("a", { title: "mine" }));
  assert.deepEqual(shown(store), ["theirs, later"]);
});

test("a removed todo does not come back by an older echo", () => {
  const store = storeOf(todo("a"));
  const [done, gone] = [store.change("a", { completed: true }), store.drop("a")];
  store.sending(done);
  store.answered(done, todo("a", { completed: true }));
  store.sending(gone);
  store.answered(gone, undefined);
  store.put(todo("a", { completed: true }));
  assert.deepEqual(shown(store), []);
  store.remove(["a"]);
  store.settle(gone);
  assert.deepEqual(shown(store), []);
});

test("a removal told during our own write is not undone by its answer", () => {
  const store = storeOf(todo("a"));
  const write = store.change("a", { title: "mine" });
  store.sending(write);
  store.remove(["a"]);
  store.answered(write, todo("a", { title: "mine" }));
  store.settle(write);
  assert.deepEqual(shown(store), []);
});

test("what we made is gone when somebody else removed it before we have the answer", () => {
  const store = storeOf();
  const write = store.add(todo("a"));
  store.sending(write);
  store.put(todo("a"));
  store.remove(["a"]);
  assert.deepEqual(shown(store), []);
  store.answered(write, todo("a"));
  assert.deepEqual(shown(store), []);
});

test("a todo that waits to be sent stays through a new list, and its changes with it", () => {
  const store = storeOf(todo("a"));
  store.add(todo("b", { order: 2 }));
  store.change("b", { completed: true });
  store.reset([todo("a"), todo("c", { order: 3 })], store.now());
  assert.deepEqual(shown(store), ["a", "x b", "c"]);
});

test("a todo of ours is there before the server has it, and stays while it has it not", () => {
  const store = storeOf();
  const write = store.add(todo("a"));
  store.reset([], store.now());
  assert.deepEqual(shown(store), ["a"]);
  store.sending(write);
  store.answered(write, todo("a"));
  assert.deepEqual(shown(store), ["a"]);
  store.put(todo("a"));
  store.settle(write);
  assert.deepEqual(shown(store), ["a"]);
});

test("somebody else's change of another field is seen under ours", () => {
  const store = storeOf(todo("a"));
  store.change("a", { title: "mine" });
  store.put(todo("a", { completed: true, order: 4 }));
  const { title, completed, order } = store.get("a");
  assert.deepEqual({ title, completed, order }, { title: "mine", completed: true, order: 4 });
});

test("what we are about to remove does not come back by somebody else's change", () => {
  const store = storeOf(todo("a"));
  const write = store.drop("a");
  store.put(todo("a", { completed: true }));
  assert.deepEqual(shown(store), []);
  store.remove(["a"]);
  store.settle(write);
  assert.deepEqual(shown(store), []);
});

test("a refused write no longer counts", () => {
  const store = storeOf(todo("a"));
  const [title, gone] = [store.change("a", { title: "mine" }), store.drop("a")];
  store.settle(gone);
  assert.deepEqual(shown(store), ["mine"]);
  store.settle(title);
  assert.deepEqual(shown(store), ["a"]);
  const made = store.add(todo("b"));
  store.settle(made);
  assert.deepEqual(shown(store), ["a"]);
});

test("a list that was asked for before the answer may be older, one asked for after it is not", () => {
  const store = storeOf(todo("a"));
  const before = store.now();
  const write = store.change("a", { title: "mine" });
  store.sending(write);
  store.answered(write, todo("a", { title: "mine" }));
  store.reset([todo("a")], before);
  assert.deepEqual(shown(store), ["mine"]);
  store.reset([todo("a", { title: "theirs" })], store.now());
  assert.deepEqual(shown(store), ["theirs"]);
});

test("random changes leave the same as a list sorted anew", () => {
  // The same numbers in every run.
  let seed = 42;
  const random = (below) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  const store = storeOf();
  const server = new Map();
  for (let step = 0; step < 3000; step += 1) {
    const id = `t${random(40)}`;
    if (random(4) === 0) {
      server.delete(id);
      store.remove([id]);
    } else {
      const next = todo(id, { completed: random(2) === 0, order: random(1000) * 40 + Number(id.slice(1)) });
      server.set(id, next);
      store.put(next);
    }
    const expected = [...server.values()].sort((a, b) => a.order - b.order);
    assert.deepEqual(ids(store), expected.map(({ id }) => id));
    assert.equal(store.left, expected.filter(({ completed }) => !completed).length);
  }
});
