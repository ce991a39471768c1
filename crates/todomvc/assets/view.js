// The page: shows what the store says, touching only what differs.

import { find, setText } from "./dom.js";
import { Editor } from "./editor.js";
import { createItem, updateItem } from "./item.js";

export class View {
  #store;
  #list = find(".todo-list");
  #input = find(".new-todo");
  /** @type {Map<string, HTMLLIElement>} */
  #items = new Map();
  #actions;
  #editor;

  /**
   * @param {import("./store.js").Store} store
   * @param {{add: (title: string) => void, toggle: (id: string, completed: boolean) => void,
   *          rename: (id: string, title: string) => void, remove: (id: string) => void,
   *          toggleAll: (completed: boolean) => void, clearCompleted: () => void,
   *          lost: (title: string) => void}} actions `lost`: what was edited is gone meanwhile.
   */
  constructor(store, actions) {
    this.#store = store;
    this.#actions = actions;
    this.#editor = new Editor(this.#list, { ended: (...end) => this.#onEdited(...end) });
    this.#input.addEventListener("keydown", (event) => this.#onNew(event));
    find(".toggle-all").addEventListener("change", (event) => actions.toggleAll(event.target.checked));
    find(".clear-completed").addEventListener("click", () => {
      actions.clearCompleted();
      this.#input.focus();
    });
    // One listener each for the whole list, however long it is.
    this.#list.addEventListener("change", (event) => this.#onToggle(event));
    this.#list.addEventListener("click", (event) => this.#onClick(event));
    this.#list.addEventListener("keydown", (event) => this.#onArrow(event));
  }

  /** Shows what the store has changed since the last time. */
  render() {
    const restoreFocus = this.#rememberFocus();
    const touched = this.#store.take();
    if (this.#items.size === 0) this.#fill();
    else this.#update(touched);
    this.#summarise();
    restoreFocus();
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

  #fill() {
    const fragment = document.createDocumentFragment();
    for (const todo of this.#store.list()) fragment.append(this.#make(todo));
    this.#list.append(fragment);
  }

  #update(touched) {
    const there = [];
    for (const id of touched) {
      const todo = this.#store.get(id);
      if (todo) there.push(todo);
      // What is being edited stays until the person has ended.
      else if (id !== this.#editor.id) this.#drop(id);
    }
    for (const todo of there) {
      const item = this.#items.get(todo.id);
      if (item) updateItem(item, todo);
      else this.#make(todo);
    }
    // The last first: each is put before the one that follows it, which has its place by then.
    const places = there.map(({ id }) => ({ id, rank: this.#store.rank(id) })).sort((a, b) => b.rank - a.rank);
    for (const { id } of places) this.#place(id);
  }

  #make(todo) {
    const item = createItem(todo);
    this.#items.set(todo.id, item);
    return item;
  }

  #drop(id) {
    this.#items.get(id)?.remove();
    this.#items.delete(id);
  }

  /** Puts an item where it belongs. One that is being edited stays: moving it would end the edit. */
  #place(id) {
    const editing = this.#editor.id;
    if (id === editing) return;
    const item = this.#items.get(id);
    let follower = this.#store.after(id);
    if (follower === editing && follower !== undefined) follower = this.#store.after(follower);
    const next = this.#items.get(follower) ?? null;
    let sibling = item.nextElementSibling;
    if (sibling && sibling === this.#items.get(editing)) sibling = sibling.nextElementSibling;
    if (item.isConnected && sibling === next) return;
    this.#list.insertBefore(item, next);
  }

  #summarise() {
    const total = this.#store.list().length;
    const left = this.#store.left;
    // Nothing is taken from under who is editing the last todo.
    const isEmpty = total === 0 && this.#editor.id === undefined;
    find(".main").hidden = isEmpty;
    find(".footer").hidden = isEmpty;
    find(".clear-completed").hidden = left === total;
    find(".toggle-all").checked = total > 0 && left === 0;
    const [count, rest] = find(".todo-count").childNodes;
    setText(count, String(left));
    setText(rest, left === 1 ? " item left" : " items left");
  }

  // Focus: who goes by the keyboard is not sent back to the top when the item under the focus goes away.

  #rememberFocus() {
    const focused = document.activeElement;
    const item = focused?.closest?.(".todo-list li");
    if (!item || focused.matches(".edit")) return () => {};
    const neighbour = this.#neighbour(item, "next") ?? this.#neighbour(item, "previous");
    return () => {
      if (item.isConnected && this.#isShown(item)) {
        if (document.activeElement !== focused) focused.focus();
      } else {
        const same = neighbour?.isConnected && neighbour.querySelector(`.view > ${focused.localName}`);
        (same || this.#input).focus({ preventScroll: !same });
      }
    };
  }

  #neighbour(item, direction) {
    do item = item[`${direction}ElementSibling`];
    while (item && !this.#isShown(item));
    return item;
  }

  /** Whether the filter shows it; said from its classes, since asking the browser would lay out the list. */
  #isShown(item) {
    const { filter } = this.#list.dataset;
    return filter === "all" || (filter === "completed") === item.classList.contains("completed");
  }

  // What a person does.

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
    if (event.target.matches(".destroy")) this.#actions.remove(idOf(event.target));
  }

  #onArrow(event) {
    const direction = { ArrowUp: "previous", ArrowDown: "next" }[event.key];
    if (!direction || event.target.matches(".edit") || event.altKey || event.ctrlKey || event.metaKey) return;
    const neighbour = this.#neighbour(event.target.closest("li"), direction);
    if (!neighbour) return;
    event.preventDefault();
    neighbour.querySelector(`.view > ${event.target.localName}`).focus();
  }

  /** An edit ended, with a title to be saved or without. */
  #onEdited(id, title) {
    const exists = this.#store.get(id) !== undefined;
    if (exists && title === "") this.#actions.remove(id);
    else if (exists && title !== undefined) this.#actions.rename(id, title);
    else if (!exists && title) this.#actions.lost(title);
    // What waited for the end: the place, or that it is gone.
    const restoreFocus = this.#rememberFocus();
    if (exists && this.#store.get(id)) this.#place(id);
    else if (!exists) this.#drop(id);
    this.#summarise();
    restoreFocus();
  }
}

const idOf = (target) => target.closest("li").dataset.id;
