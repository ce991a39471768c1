// Says how it stands: whether changes are saved, what went wrong, and, to who
// cannot see the page, how many todos are left. Says little: what is over
// before a person could read it is not said.

const SAVING_AFTER_MS = 600;
const OFFLINE_AFTER_MS = 1_000;
const PROBLEM_FOR_MS = 10_000;
// Several changes in a row are announced once.
const COUNT_AFTER_MS = 700;

const OFFLINE = "Offline. Changes are kept and sent when the server is back.";
const SAVING = "Saving…";

export class Status {
  #line;
  #announcer;
  #text = "";
  #shownText = "";
  #problem = "";
  #timer;
  #problemTimer;
  #countTimer;
  #count;

  /**
   * @param {Element} line Where it is shown; a live region.
   * @param {Element} announcer Where counts are told; a live region that is not seen.
   */
  constructor(line, announcer) {
    this.#line = line;
    this.#announcer = announcer;
  }

  /** @param {{unsent: boolean, offline: boolean}} state */
  state({ unsent, offline }) {
    const text = offline ? OFFLINE : unsent ? SAVING : "";
    if (text === this.#text) return;
    this.#text = text;
    clearTimeout(this.#timer);
    if (text === "") return this.#show();
    this.#timer = setTimeout(() => this.#show(), offline ? OFFLINE_AFTER_MS : SAVING_AFTER_MS);
  }

  /** Something was refused. Shown for a while, over all else. */
  problem(text) {
    this.#problem = text;
    this.#show();
    clearTimeout(this.#problemTimer);
    this.#problemTimer = setTimeout(() => {
      this.#problem = "";
      this.#show();
    }, PROBLEM_FOR_MS);
  }

  /** How many todos are left, of how many. The first count is what the page begins with, and no news. */
  count(left, total) {
    const text = total === 0 ? "No todos" : `${left} ${left === 1 ? "item" : "items"} left of ${total}`;
    const isFirst = this.#count === undefined;
    if (text === this.#count) return;
    this.#count = text;
    if (isFirst) return;
    clearTimeout(this.#countTimer);
    this.#countTimer = setTimeout(() => {
      this.#announcer.textContent = this.#count;
    }, COUNT_AFTER_MS);
  }

  #show() {
    const text = this.#problem || this.#text;
    this.#line.classList.toggle("problem", this.#problem !== "");
    // A live region that is written again is read again.
    if (text === this.#shownText) return;
    this.#shownText = text;
    this.#line.textContent = text;
  }
}
