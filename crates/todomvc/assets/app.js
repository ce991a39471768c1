// Puts the parts together.

import { find } from "./dom.js";
import { newId } from "./id.js";
import { onRoute } from "./router.js";
import { Status } from "./status.js";
import { Store } from "./store.js";
import { Sync } from "./sync.js";
import { View } from "./view.js";

const store = new Store();
const status = new Status(find(".status"), find(".announcer"));

const sync = new Sync(store, {
  changed: show,
  problem: (text) => status.problem(text),
  state: (state) => status.state(state),
});

const view = new View(store, {
  add: (title) => sync.add(newId(), title),
  toggle: (id, completed) => sync.change(id, { completed }),
  rename: (id, title) => sync.change(id, { title }),
  remove: (id) => sync.remove(id),
  toggleAll: (completed) => sync.changeAll(completed),
  clearCompleted: () => sync.removeCompleted(),
  lost: (title) => status.problem(`Not saved: the todo was deleted meanwhile. It would have become “${title}”.`),
});

let scheduled = false;

/** Many changes in one moment are shown once. */
function show() {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    view.render();
    if (store.loaded) status.count(store.left, store.list().length);
  });
}

onRoute((filter) => view.filter(filter));
addEventListener("beforeunload", (event) => {
  if (!sync.unsent) return;
  event.preventDefault();
  // Older browsers ask only when it is set.
  event.returnValue = true;
});
sync.start();
