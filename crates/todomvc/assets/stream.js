// The server's stream of changes. The browser reconnects by itself after a
// lost connection; after a refusal it gives up, and we open another one.

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
// A stream may have died while the device slept, and not know it.
const SLEEP_MS = 60_000;

export class Stream {
  /** @type {EventSource | undefined} */
  #source;
  #pause = FIRST_PAUSE_MS;
  #timer;
  #handlers;

  /**
   * @param {{reset: (revision: string) => void, change: (change: object) => void, state: () => void}} handlers
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  get open() {
    return this.#source?.readyState === EventSource.OPEN;
  }

  start() {
    this.#connect();
    addEventListener("online", () => this.#connect());
    addEventListener("pageshow", (event) => event.persisted && this.#connect());
    let hidden_ms = Infinity;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) hidden_ms = Date.now();
      else if (Date.now() - hidden_ms > SLEEP_MS) this.#connect();
    });
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const source = new EventSource("/events");
    this.#source = source;
    source.addEventListener("open", () => {
      this.#pause = FIRST_PAUSE_MS;
      this.#handlers.state();
    });
    source.addEventListener("reset", (event) => this.#handlers.reset(JSON.parse(event.data).revision));
    source.addEventListener("change", (event) => this.#handlers.change(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      this.#handlers.state();
      if (source.readyState !== EventSource.CLOSED || source !== this.#source) return;
      this.#timer = setTimeout(() => this.#connect(), this.#pause * (0.5 + Math.random() / 2));
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    });
  }
}
