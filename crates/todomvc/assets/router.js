// The part of the list that the address asks for: `all`, `active` or `completed`.

const FILTERS = new Map([
  ["#/", "all"],
  ["#/active", "active"],
  ["#/completed", "completed"],
]);

/** Calls with the filter of the address, now and whenever it changes. An address that nobody knows means all. */
export function onRoute(callback) {
  const tell = () => callback(FILTERS.get(location.hash) ?? "all");
  addEventListener("hashchange", tell);
  tell();
}
