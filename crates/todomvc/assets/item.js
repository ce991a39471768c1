// One todo on the page: its element, and how it is brought up to date.

/** An element with attributes and children. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The element of a todo. The input to edit it is made only when it is needed. */
export function createItem(todo) {
  const item = element("li", { "data-id": todo.id },
    element("div", { class: "view" },
      element("input", { class: "toggle", type: "checkbox" }),
      element("label", { tabindex: "0" }),
      element("button", { class: "destroy", type: "button" })));
  updateItem(item, todo);
  return item;
}

/** Writes only what differs: ten thousand items are looked at, a few are touched. */
export function updateItem(item, { title, completed }) {
  const [toggle, label, destroy] = item.firstElementChild.children;
  if (label.textContent !== title) {
    label.textContent = title;
    toggle.setAttribute("aria-label", `Done: ${title}`);
    label.setAttribute("aria-label", `${title}, press Enter to edit`);
    destroy.setAttribute("aria-label", `Delete ${title}`);
  }
  if (toggle.checked !== completed) toggle.checked = completed;
  item.classList.toggle("completed", completed);
}

/** Puts the input there, with the title selected. */
export function beginEdit(item, title) {
  const input = element("input", { class: "edit", "aria-label": "Edit todo", maxlength: "500", autocomplete: "off" });
  input.value = title;
  item.append(input);
  item.classList.add("editing");
  input.focus();
  input.setSelectionRange(title.length, title.length);
}

/** Takes the input away. */
export function endEdit(item) {
  // First the class: taking a focused input away sends it a blur.
  item.classList.remove("editing");
  item.querySelector(".edit")?.remove();
}
