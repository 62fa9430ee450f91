// Two charts: areas upon each other, and lines. A label at the end of each says whose it is, not its colour alone.

import { drawn, set, say } from "./dom.js";
import { figure } from "./words.js";

const HEIGHT = 168;
const TOP = 8;
const BOTTOM = 20;
const LEFT = 38;
const RIGHT = 34;
const LABEL = 12;
const DOT = 4;
const BASELINE = 4;
export const COLOURS = 10;

export const colour = (number) => `c${(((number - 1) % COLOURS) + COLOURS) % COLOURS}`;

/** What both have in common: axes, and a group for each backend. */
class Chart {
  constructor(name, unit) {
    this.name = name;
    this.unit = unit;
    this.title = drawn("title");
    this.grid = drawn("g", { class: "grid" });
    this.body = drawn("g");
    this.labels = drawn("g", { class: "labels" });
    this.node = drawn("svg", { class: "chart", role: "img", height: HEIGHT }, this.title, this.grid, this.body, this.labels);
    this.drawn = 0;
    this.named = -1;
  }

  /** `series` by number; `span`: how many seconds; `chosen`: the id of the one that is looked at. */
  show(series, span, chosen) {
    const width = this.node.clientWidth || this.node.parentElement?.clientWidth || 300;
    set(this.node, "viewBox", `0 0 ${width} ${HEIGHT}`);
    const length = series[0]?.rate.length ?? 0;
    const right = width - RIGHT;
    const step = (right - LEFT) / Math.max(1, span - 1);
    const x = (index) => right - (length - 1 - index) * step;
    const most = nice(this.peak(series, length));
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
    this.#frame(width, right, span, most, y);
    this.body.replaceChildren(...this.shapes(series, length, x, y, chosen));
    this.labels.replaceChildren(...this.names(series, length, y, chosen).map(([one, at]) => label(one, right + 9, at, chosen)));
    this.#tell(series, length);
  }

  #frame(width, right, span, most, y) {
    const lines = [0, most / 2, most].flatMap((value) => [
      drawn("line", { x1: LEFT, x2: right, y1: crisp(y(value)), y2: crisp(y(value)), class: value ? "" : "base" }),
      text(value >= 10 || value === 0 ? String(Math.round(value)) : String(Number(value.toPrecision(2))), LEFT - 7, y(value) + 3.5, "end"),
    ]);
    const ago = span >= 120 ? `${Math.round(span / 60)} min ago` : `${span} s ago`;
    this.grid.replaceChildren(...lines, text(ago, LEFT, HEIGHT - 4, "start"), text("now", right, HEIGHT - 4, "end"));
  }

  /** The text in place of the picture; it need not be newer than ten seconds. */
  #tell(series, length) {
    if (series.length === this.named && Date.now() - this.drawn < 10000) return;
    this.named = series.length;
    this.drawn = Date.now();
    const each = series.map((one) => `${one.number}: ${figure(this.last(one, length))}`).join(", ");
    say(this.title, `${this.name}, now by backend: ${each || "none"} ${this.unit}`);
  }
}

/** Requests per second: one area for each backend, upon each other. */
export class Areas extends Chart {
  peak(series, length) {
    return Math.max(1, ...Array.from({ length }, (_, index) => sum(series, index)));
  }

  last(one, length) {
    return one.rate[length - 1];
  }

  shapes(series, length, x, y, chosen) {
    const floor = new Array(length).fill(0);
    return series.map((one) => {
      const under = floor.map((value, index) => [x(index), y(value)]);
      one.rate.forEach((rate, index) => (floor[index] += rate));
      const over = floor.map((value, index) => [x(index), y(value)]);
      return drawn("path", { d: `M${joined(over)}L${joined(under.reverse())}Z`, class: `area ${colour(one.number)}${faded(one, chosen)}` });
    });
  }

  names(series, length, y, chosen) {
    let floor = 0;
    const middles = series.map((one) => {
      const rate = one.rate[length - 1] ?? 0;
      floor += rate;
      return [one, y(floor - rate / 2), rate];
    });
    return apart(middles.filter(([, , rate]) => rate > 0), chosen);
  }
}

/** Latency: one line for each backend. */
export class Lines extends Chart {
  peak(series) {
    return Math.max(1, ...series.flatMap((one) => one.p95).filter((value) => value !== null));
  }

  last(one, length) {
    return one.p95[length - 1];
  }

  shapes(series, length, x, y, chosen) {
    const ordered = [...series].sort((one, other) => (one.id === chosen) - (other.id === chosen));
    return ordered.map((one) => drawn("path", { d: line(one.p95, x, y), class: `line ${colour(one.number)}${faded(one, chosen)}` }));
  }

  names(series, length, y, chosen) {
    const ends = series.filter((one) => one.p95[length - 1] !== null && length > 0).map((one) => [one, y(one.p95[length - 1])]);
    return apart(ends, chosen);
  }
}

/** Labels that would lie upon each other give way; where there is no room for all, the chosen one alone is named. */
function apart(ends, chosen) {
  const sorted = [...ends].sort((one, other) => one[1] - other[1]);
  const room = Math.floor((HEIGHT - TOP - BOTTOM + LABEL) / LABEL);
  const shown = sorted.length > room ? sorted.filter(([one]) => one.id === chosen) : sorted;
  const places = shown.map(([, at]) => at);
  for (let index = 1; index < places.length; index += 1) places[index] = Math.max(places[index], places[index - 1] + LABEL);
  let lowest = HEIGHT - BOTTOM - 2;
  for (let index = places.length - 1; index >= 0; index -= 1) {
    places[index] = Math.min(places[index], lowest);
    lowest = places[index] - LABEL;
  }
  return shown.map(([one], index) => [one, places[index]]);
}

const sum = (series, index) => series.reduce((total, one) => total + one.rate[index], 0);
const joined = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L");
const crisp = (value) => Math.round(value) + 0.5;
const faded = (one, chosen) => (chosen && one.id !== chosen ? " faded" : "");

function line(values, x, y) {
  let pen = "M";
  return values.reduce((path, value, index) => {
    if (value === null) {
      pen = "M";
      return path;
    }
    const next = `${path}${pen}${x(index).toFixed(1)},${y(value).toFixed(1)}`;
    pen = "L";
    return next;
  }, "");
}

function label(one, x, y, chosen) {
  const dot = drawn("circle", { cx: x, cy: y, r: DOT });
  return drawn("g", { class: `${colour(one.number)}${faded(one, chosen)}` }, dot, text(String(one.number), x + DOT + 4, y + BASELINE, "start"));
}

function text(words, x, y, anchor) {
  const node = drawn("text", { x, y, "text-anchor": anchor });
  node.textContent = words;
  return node;
}

/** The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, ... */
function nice(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= most * 1.02) ?? 20 * power;
}
