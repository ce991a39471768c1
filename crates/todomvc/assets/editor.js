// Editing a title in its place: how an edit begins and how it ends. One todo
// at most is edited at a time, and each edit ends once.

import { beginEdit, endEdit } from "./item.js";

export class Editor {
  /** @type {string | undefined} The todo that is being edited. */
  id;
  #item;
  #before = "";
  #ended;

  /**
   * @param {Element} list
   * @param {{ended: (id: string, title: string | undefined) => void}} handlers `title` is what is to be saved, empty to
   *   delete; nothing when it was cancelled or is as before.
   */
  constructor(list, { ended }) {
    this.#ended = ended;
    list.addEventListener("dblclick", (event) => {
      if (event.target.matches(".view label")) this.#begin(event.target);
    });
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusout", (event) => {
      if (event.target.matches(".editing .edit")) this.#end(true);
    });
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.target.matches(".view label") && ["Enter", "F2"].includes(event.key)) {
      event.preventDefault();
      this.#begin(event.target);
    } else if (event.target.matches(".edit") && ["Enter", "Escape"].includes(event.key)) {
      const label = this.#item.querySelector("label");
      this.#end(event.key === "Enter", label);
    }
  }

  #begin(label) {
    this.#item = label.closest("li");
    this.id = this.#item.dataset.id;
    // What it was when the person began: somebody else's change meanwhile is not ours to take back.
    this.#before = label.textContent;
    beginEdit(this.#item, this.#before);
  }

  #end(isSaved, focusedNext) {
    const id = this.id;
    this.id = undefined;
    const title = endEdit(this.#item).trim();
    focusedNext?.focus();
    this.#ended(id, isSaved && title !== this.#before ? title : undefined);
  }
}
