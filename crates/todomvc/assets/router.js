// The part of the list that the address asks for: `#/`, `#/active` or `#/completed`.

const FILTERS = {
  "#/": () => true,
  "#/active": (todo) => !todo.completed,
  "#/completed": (todo) => todo.completed,
};

/** The filter's address. One that nobody knows means all. */
export function route() {
  return location.hash in FILTERS ? location.hash : "#/";
}

/** Whether a filter shows a todo. */
export function shows(filter, todo) {
  return FILTERS[filter](todo);
}

/** Calls back whenever the address asks for another part. */
export function onRoute(callback) {
  addEventListener("hashchange", () => callback(route()));
}
