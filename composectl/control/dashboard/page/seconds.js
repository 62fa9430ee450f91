// The last minutes, second by second, as the server has kept them.

export const MOST = 300;
const FEWEST = 60;
const RECENT = 9;
const MEAN = 5; // seconds, as for the rates of the table

/** Fetches what is missing, every two seconds at most. */
export class Seconds {
  frames = [];
  #asked = 0;

  async refresh() {
    const now = performance.now();
    if (now - this.#asked < 1950) return false;
    const recent = this.frames.length > 0 && now - this.#asked < RECENT * 1000;
    this.#asked = now;
    const answer = await fetch(recent ? "v1/history/recent" : "v1/history");
    if (!answer.ok) return false;
    this.#take(await answer.json(), recent);
    return true;
  }

  /** Another composectl answers: what is known of the one before is of no use. */
  forget() {
    this.frames = [];
    this.#asked = 0;
  }

  /** How many seconds the charts show. */
  get span() {
    return Math.min(MOST, Math.max(FEWEST, this.frames.length));
  }

  /** The backends of a service that were there meanwhile, by number, each with what came of it in every second. */
  of(service) {
    const series = new Map();
    const length = this.frames.length;
    this.frames.forEach((frame, index) => {
      for (const row of frame.services[service]?.backends ?? []) {
        const [id, number, requests, , , p95, phase] = row;
        if (!series.has(id)) series.set(id, { id, number, requests: new Array(length).fill(0), p95: new Array(length).fill(null), phase: new Array(length).fill("") });
        const one = series.get(id);
        one.requests[index] += requests;
        one.p95[index] = p95;
        one.phase[index] = phase;
      }
    });
    const found = [...series.values()].sort((one, other) => one.number - other.number);
    for (const one of found) one.rate = means(one.requests);
    return found;
  }

  /** p50 and p95 of the whole service, now. */
  latency(service) {
    const last = this.frames.at(-1)?.services[service];
    return { p50: last?.p50 ?? null, p95: last?.p95 ?? null };
  }

  #take(frames, recent) {
    const last = recent ? (this.frames.at(-1)?.number ?? 0) : 0;
    const newer = frames.filter((frame) => frame.number > last);
    const joins = recent && newer.length > 0 && newer[0].number === last + 1;
    if (recent && !joins && frames.length && frames.at(-1).number !== last) {
      this.forget(); // the next answer is whole
      return;
    }
    this.frames = (recent ? [...this.frames, ...newer] : newer).slice(-MOST);
  }
}

function means(values) {
  let sum = 0;
  return values.map((value, index) => {
    sum += value - (index >= MEAN ? values[index - MEAN] : 0);
    return sum / Math.min(MEAN, index + 1);
  });
}
