// Puts the parts together.

import { onRoute } from "./router.js";
import { Store } from "./store.js";
import { Sync } from "./sync.js";
import { View } from "./view.js";

const store = new Store();
let scheduled = false;

/** Many changes in one moment are shown once. */
function show() {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    view.render(store.list());
  });
}

const sync = new Sync(store, show, (text, isProblem) => view.tell(text, isProblem));

const view = new View({
  add: (title) => sync.create({ id: newId(), title, completed: false, order: store.nextOrder() }),
  toggle: (id, completed) => sync.change(id, { completed }),
  rename: (id, title) => sync.change(id, { title }),
  remove: (id) => sync.remove(id),
  toggleAll: (completed) => sync.changeAll(completed),
  clearCompleted: () => sync.removeCompleted(),
  edited: show,
});

/** A random UUID, also where the browser gives one only to pages with TLS. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

onRoute((filter) => view.filter(filter));
addEventListener("beforeunload", (event) => {
  if (sync.unsent) event.preventDefault();
});
sync.start();
