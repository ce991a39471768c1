// The store's promise: what was just typed is never taken back by what comes from elsewhere.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

// The page's folder has no package.json, so its modules are read as what they are.
const source = readFileSync(new URL("../assets/store.js", import.meta.url), "utf8");
const { Store } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const todo = (id, title, order = 1, completed = false) => ({ id, title, order, completed });
const titles = (store) => store.list().map((each) => each.title);

test("the list is in order, and equal ones stay as they came", () => {
  const store = new Store();
  store.reset([todo("b", "second", 2), todo("z", "first", 1), todo("a", "also first", 1)]);
  assert.deepEqual(titles(store), ["first", "also first", "second"]);
  assert.equal(store.nextOrder(), 3);
});

test("a todo of ours is there before the server has it, and stays while it has it not", () => {
  const store = new Store();
  store.add(todo("a", "mine"));
  store.reset([]);
  assert.deepEqual(titles(store), ["mine"]);
  store.put(todo("a", "mine"));
  store.settle("a");
  assert.deepEqual(titles(store), ["mine"]);
});

test("an older answer does not take a newer change back", () => {
  const store = new Store();
  store.reset([todo("a", "one")]);
  store.change("a", { title: "two" });
  store.change("a", { title: "three" });
  store.put(todo("a", "two"));
  store.settle("a");
  assert.deepEqual(titles(store), ["three"]);
  store.put(todo("a", "three"));
  store.settle("a");
  assert.deepEqual(titles(store), ["three"]);
});

test("another person's change of another field is seen under ours", () => {
  const store = new Store();
  store.reset([todo("a", "one")]);
  store.change("a", { title: "mine" });
  store.put(todo("a", "one", 1, true));
  assert.deepEqual(store.get("a"), { id: "a", title: "mine", order: 1, completed: true });
});

test("a refused change gives way to the server's word", () => {
  const store = new Store();
  store.reset([todo("a", "one")]);
  store.change("a", { title: "refused" });
  store.settle("a");
  assert.deepEqual(titles(store), ["one"]);
});

test("what we removed does not come back by an echo", () => {
  const store = new Store();
  store.reset([todo("a", "one")]);
  store.drop("a");
  store.put(todo("a", "one", 1, true));
  assert.deepEqual(titles(store), []);
  store.remove(["a"]);
  store.settle("a");
  assert.deepEqual(titles(store), []);
});
