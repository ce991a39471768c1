// Loads a module of the page. Its files end in .js, which older versions of Node take for another kind of module, and
// a package.json beside them would be served; so the text is loaded. Only for modules that import nothing.

import { readFile } from "node:fs/promises";

export async function load(name) {
  const source = await readFile(new URL(`../assets/${name}`, import.meta.url), "utf8");
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
