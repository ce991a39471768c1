// The page is loaded again when a part of it did not arrive, and not for ever.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const source = readFileSync(new URL("../assets/reload.js", import.meta.url), "utf8");

class HTMLScriptElement {}
class HTMLLinkElement {
  constructor(rel) {
    this.rel = rel;
  }
}

/** A page that keeps its session's storage; gives the pauses before each reload that was asked for. */
function open(stored) {
  const [listeners, pauses] = [{}, []];
  runInNewContext(source, {
    HTMLScriptElement,
    HTMLLinkElement,
    addEventListener: (name, listener) => (listeners[name] = listener),
    location: { reload: () => {} },
    sessionStorage: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => stored.set(key, String(value)),
      removeItem: (key) => stored.delete(key),
    },
    setTimeout: (_, pause) => pauses.push(pause),
  });
  return { pauses, fail: (target) => listeners.error({ target }), load: () => listeners.load() };
}

test("one reload, whatever number of parts is missing", () => {
  const page = open(new Map());
  page.fail(new HTMLScriptElement());
  page.fail(new HTMLLinkElement("stylesheet"));
  page.load();
  assert.deepEqual(page.pauses, [250]);
});

test("an exception and a missing preload are no missing part", () => {
  const page = open(new Map());
  page.fail({});
  page.fail(new HTMLLinkElement("modulepreload"));
  assert.deepEqual(page.pauses, []);
});

test("the pauses grow, and end", () => {
  const stored = new Map();
  const pauses = Array.from({ length: 12 }, () => {
    const page = open(stored);
    page.fail(new HTMLScriptElement());
    page.load();
    return page.pauses[0];
  });
  assert.deepEqual(pauses.slice(0, 6), [250, 500, 1000, 2000, 4000, 5000]);
  assert.deepEqual(pauses.slice(9), [5000, undefined, undefined]);
});

test("a page that arrived whole counts from the beginning again", () => {
  const stored = new Map();
  open(stored).fail(new HTMLScriptElement());
  open(stored).load();
  const page = open(stored);
  page.fail(new HTMLScriptElement());
  assert.deepEqual(page.pauses, [250]);
});
