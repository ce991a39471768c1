// One todo on the page: its element, and how it is brought up to date.

import { element } from "./dom.js";

/** What every item is a copy of. The label takes the focus: it begins the edit by the keyboard. */
const PATTERN = element("li", {},
  element("div", { class: "view" },
    element("input", { class: "toggle", type: "checkbox", autocomplete: "off" }),
    element("label", { tabindex: "0", "aria-describedby": "how-to-edit" }),
    element("button", { class: "destroy", type: "button" })));

/** The element of a todo. The input to edit it is made only when it is needed. */
export function createItem(todo) {
  const item = PATTERN.cloneNode(true);
  item.dataset.id = todo.id;
  updateItem(item, todo);
  return item;
}

/** Writes only what differs. */
export function updateItem(item, { title, completed }) {
  const [toggle, label, destroy] = item.firstElementChild.children;
  if (label.textContent !== title) {
    label.textContent = title;
    toggle.setAttribute("aria-label", title);
    destroy.setAttribute("aria-label", `Delete ${title}`);
  }
  if (toggle.checked !== completed) toggle.checked = completed;
  item.classList.toggle("completed", completed);
}

/** Puts the input there, with the cursor behind the title. */
export function beginEdit(item, title) {
  const input = element("input", { class: "edit", "aria-label": "Edit todo", maxlength: "500", autocomplete: "off",
    enterkeyhint: "done" });
  input.value = title;
  item.append(input);
  item.classList.add("editing");
  input.focus();
  input.setSelectionRange(title.length, title.length);
}

/** Takes the input away, and gives back what was in it. */
export function endEdit(item) {
  const input = item.querySelector(".edit");
  // First the class: taking a focused input away sends it a blur.
  item.classList.remove("editing");
  input.remove();
  return input.value;
}
