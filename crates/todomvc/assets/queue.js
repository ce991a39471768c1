// What is to be sent, in order for each todo, and again until it has arrived.
// Todos do not wait for each other; a change of the whole list waits for all
// that came before it, and all that comes after waits for it.

/** The whole list. */
export const ALL = Symbol("all");

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
// A browser opens six connections to a server; one is the stream's, and one is left for the list.
const MOST_AT_ONCE = 4;

/**
 * @typedef {object} Job
 * @property {string | typeof ALL} about The todo's id.
 * @property {() => Promise<void>} send May be called again. Throws an error that is `again` when it shall be.
 * @property {(failure: Error) => Promise<void>} refused Called once when sending again is of no use.
 */

export class Queue {
  /** @type {(Job & {running?: boolean})[]} */
  #jobs = [];
  #running = 0;
  #failing = new Set();
  #pauses = new Pauses();
  #changed;

  /** @param {() => void} changed What is unsent or failing is another than before. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Whether something has not arrived. */
  get unsent() {
    return this.#jobs.length > 0;
  }

  /** Whether something was tried, and has to be tried again. */
  get failing() {
    return this.#failing.size > 0;
  }

  /** @param {Job} job */
  push(job) {
    this.#jobs.push({ ...job });
    this.#startWhatCan();
    this.#changed();
  }

  /** Tries again at once: the server seems to be back. */
  wake() {
    this.#pauses.end();
  }

  #startWhatCan() {
    const busy = new Set();
    for (const job of this.#jobs) {
      if (this.#running >= MOST_AT_ONCE) return;
      const free = job.about === ALL ? job === this.#jobs[0] : !busy.has(job.about);
      if (free && !job.running) this.#run(job);
      if (job.about === ALL) return;
      busy.add(job.about);
    }
  }

  async #run(job) {
    job.running = true;
    this.#running += 1;
    await this.#sendUntilHeard(job);
    this.#running -= 1;
    this.#failing.delete(job);
    this.#jobs.splice(this.#jobs.indexOf(job), 1);
    this.#startWhatCan();
    this.#changed();
  }

  async #sendUntilHeard(job) {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await job.send();
      } catch (failure) {
        if (!failure.again) return job.refused(failure);
      }
      this.#failing.add(job);
      this.#changed();
      await this.#pauses.sleep(pause);
    }
  }
}

/** Pauses that can be cut short. */
export class Pauses {
  #open = new Set();

  /** At most this long: clients that lost one server must not all come back in one moment. */
  sleep(ms) {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#open.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms * (0.5 + Math.random() / 2));
      this.#open.add(end);
    });
  }

  end() {
    for (const end of [...this.#open]) end();
  }
}
