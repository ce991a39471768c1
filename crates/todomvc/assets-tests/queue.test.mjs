// The queue alone: the order in which things are sent, and what is sent again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { ALL, Queue } = await load("queue.js");

/** A queue whose jobs note when they are sent, and end when they are told to. */
function queueOf() {
  const sent = [];
  const ends = new Map();
  const queue = new Queue(() => {});
  const push = (about, name, outcomes = []) =>
    queue.push({
      about,
      send: async () => {
        sent.push(name);
        const outcome = outcomes.shift();
        if (outcome) throw outcome;
        if (outcome === undefined) await new Promise((resolve) => ends.set(name, resolve));
      },
      refused: async (failure) => {
        sent.push(`${name} refused: ${failure.message}`);
      },
    });
  const end = async (name) => {
    ends.get(name)();
    await settled();
  };
  return { queue, sent, push, end };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
const again = Object.assign(new Error("away"), { again: true });
const never = Object.assign(new Error("bad"), { again: false });

test("one todo's changes go one after the other, others do not wait for them", async () => {
  const { queue, sent, push, end } = queueOf();
  push("a", "a1");
  push("a", "a2");
  push("b", "b1");
  assert.deepEqual(sent, ["a1", "b1"]);
  await end("a1");
  assert.deepEqual(sent, ["a1", "b1", "a2"]);
  await end("b1");
  assert.ok(queue.unsent);
  await end("a2");
  assert.ok(!queue.unsent);
});

test("a change of the whole list waits for all before it, and all after it wait", async () => {
  const { sent, push, end } = queueOf();
  push("a", "a1");
  push(ALL, "all");
  push("b", "b1");
  assert.deepEqual(sent, ["a1"]);
  await end("a1");
  assert.deepEqual(sent, ["a1", "all"]);
  await end("all");
  assert.deepEqual(sent, ["a1", "all", "b1"]);
});

test("no more than four are on their way at once", async () => {
  const { sent, push, end } = queueOf();
  for (const id of "abcdef") push(id, id);
  assert.deepEqual(sent, [..."abcd"]);
  await end("b");
  assert.deepEqual(sent, [..."abcde"]);
});

test("what failed in passing is sent again, before what comes after it", async () => {
  const { queue, sent, push } = queueOf();
  push("a", "a1", [again, again, null]);
  push("a", "a2", [null]);
  await settled();
  assert.ok(queue.failing);
  while (queue.unsent) {
    queue.wake();
    await settled();
  }
  assert.deepEqual(sent, ["a1", "a1", "a1", "a2"]);
  assert.ok(!queue.failing);
});

test("what is refused for good is told once and does not stop the rest", async () => {
  const { queue, sent, push } = queueOf();
  push("a", "a1", [never]);
  push("a", "a2", [null]);
  while (queue.unsent) await settled();
  assert.deepEqual(sent, ["a1", "a1 refused: bad", "a2"]);
});
