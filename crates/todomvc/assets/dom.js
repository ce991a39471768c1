// Short names for what the page's modules do with the document.

/** The one element of the page that the selector means. */
export const find = (selector) => document.querySelector(selector);

/** An element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Writes a text only where it is another. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
