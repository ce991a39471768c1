// The page: shows the todos, and turns what a person does into calls.

import { beginEdit, createItem, endEdit, updateItem } from "./item.js";

const find = (selector) => document.querySelector(selector);

export class View {
  #list = find(".todo-list");
  #input = find(".new-todo");
  #items = new Map();
  #actions;

  /**
   * @param {{add: (title: string) => void, toggle: (id: string, completed: boolean) => void,
   *          rename: (id: string, title: string) => void, remove: (id: string) => void,
   *          toggleAll: (completed: boolean) => void, clearCompleted: () => void,
   *          edited: () => void}} actions `edited`: an edit ended; what waited for it may be shown.
   */
  constructor(actions) {
    this.#actions = actions;
    this.#input.addEventListener("keydown", (event) => this.#onNew(event));
    find(".toggle-all").addEventListener("change", (event) => actions.toggleAll(event.target.checked));
    find(".clear-completed").addEventListener("click", () => {
      actions.clearCompleted();
      this.#input.focus();
    });
    // One listener each for the whole list, however long it is.
    this.#list.addEventListener("change", (event) => this.#onToggle(event));
    this.#list.addEventListener("click", (event) => this.#onClick(event));
    this.#list.addEventListener("dblclick", (event) => this.#onEdit(event));
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    this.#list.addEventListener("focusout", (event) => this.#onBlur(event));
  }

  /** Shows the todos, touching only what differs. */
  render(todos) {
    const ids = new Set(todos.map((todo) => todo.id));
    for (const [id, item] of this.#items) {
      // One that is being edited stays until the person has ended.
      if (!ids.has(id) && !item.classList.contains("editing")) {
        this.#items.delete(id);
        item.remove();
      }
    }
    let next = this.#list.firstElementChild;
    for (const todo of todos) {
      const item = this.#items.get(todo.id) ?? this.#make(todo);
      updateItem(item, todo);
      if (item === next) next = next.nextElementSibling;
      else this.#list.insertBefore(item, next);
    }
    this.#summarise(todos);
  }

  #make(todo) {
    const item = createItem(todo);
    this.#items.set(todo.id, item);
    return item;
  }

  #summarise(todos) {
    const left = todos.filter((todo) => !todo.completed).length;
    find(".main").hidden = todos.length === 0;
    find(".footer").hidden = todos.length === 0;
    find(".clear-completed").hidden = left === todos.length;
    find(".toggle-all").checked = todos.length > 0 && left === 0;
    const count = document.createElement("strong");
    count.textContent = String(left);
    find(".todo-count").replaceChildren(count, left === 1 ? " item left" : " items left");
  }

  /** Shows the todos of a filter; the stylesheet hides the others. */
  filter(name) {
    this.#list.dataset.filter = name;
    for (const link of document.querySelectorAll(".filters a")) {
      const selected = link.getAttribute("href") === (name === "all" ? "#/" : `#/${name}`);
      link.classList.toggle("selected", selected);
      if (selected) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** Says how it stands. */
  tell(text, isProblem = false) {
    const status = find(".status");
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("problem", isProblem);
  }

  #onNew(event) {
    // Enter that ends a composed character (Japanese, say) ends no todo.
    if (event.key !== "Enter" || event.isComposing) return;
    const title = this.#input.value.trim();
    if (!title) return;
    this.#input.value = "";
    this.#actions.add(title);
  }

  #onToggle(event) {
    if (event.target.matches(".toggle")) this.#actions.toggle(idOf(event.target), event.target.checked);
  }

  #onClick(event) {
    if (!event.target.matches(".destroy")) return;
    const item = event.target.closest("li");
    const neighbour = item.nextElementSibling ?? item.previousElementSibling;
    this.#actions.remove(item.dataset.id);
    // Who goes by the keyboard is not sent back to the top.
    (neighbour?.querySelector(".toggle") ?? this.#input).focus();
  }

  #onEdit(event) {
    if (event.target.matches(".view label")) this.#edit(event.target.closest("li"));
  }

  #edit(item) {
    if (!item.classList.contains("editing")) beginEdit(item, item.querySelector("label").textContent);
  }

  #onKey(event) {
    const item = event.target.closest("li");
    if (event.target.matches(".view label") && (event.key === "Enter" || event.key === "F2")) {
      event.preventDefault();
      this.#edit(item);
    } else if (event.target.matches(".edit") && event.key === "Enter" && !event.isComposing) {
      this.#save(item);
      item.querySelector("label")?.focus();
    } else if (event.target.matches(".edit") && event.key === "Escape") {
      endEdit(item);
      this.#actions.edited();
      item.querySelector("label")?.focus();
    }
  }

  #onBlur(event) {
    const item = event.target.closest("li");
    if (event.target.matches(".edit") && item.classList.contains("editing")) this.#save(item);
  }

  #save(item) {
    const title = item.querySelector(".edit").value.trim();
    const before = item.querySelector("label").textContent;
    endEdit(item);
    if (!title) this.#actions.remove(item.dataset.id);
    else if (title !== before) this.#actions.rename(item.dataset.id, title);
    else this.#actions.edited();
  }
}

const idOf = (target) => target.closest("li").dataset.id;
