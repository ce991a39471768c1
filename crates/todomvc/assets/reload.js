// Loads the page again when a part of it did not arrive, which happens while
// the server is replaced or the network changes: the rest would be a dead page.
// Not a module, so that it is there before the parts that it looks after.
"use strict";

(() => {
  const KEY = "reloads";
  const FIRST_PAUSE_MS = 250;
  const LONGEST_PAUSE_MS = 5_000;
  // About half a minute. What has not come by then is broken, and reloading would not mend it.
  const MOST_RELOADS = 10;

  let failed = false;

  function isPart(element) {
    return element instanceof HTMLScriptElement || (element instanceof HTMLLinkElement && element.rel === "stylesheet");
  }

  // Errors of elements do not bubble, so they are caught on their way down.
  addEventListener("error", ({ target }) => {
    if (failed || !isPart(target)) return;
    failed = true;
    const reloads = Number(sessionStorage.getItem(KEY));
    if (reloads >= MOST_RELOADS) return;
    sessionStorage.setItem(KEY, reloads + 1);
    setTimeout(() => location.reload(), Math.min(FIRST_PAUSE_MS * 2 ** reloads, LONGEST_PAUSE_MS));
  }, true);

  addEventListener("load", () => {
    if (!failed) sessionStorage.removeItem(KEY);
  });
})();
