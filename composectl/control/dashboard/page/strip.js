// The phases of one backend over the last minutes: a strip, whose height tells the phase as its colour does.

import { drawn, set } from "./dom.js";
import { span } from "./words.js";

const HEIGHTS = { ready: 12, starting: 7, unhealthy: 4, maintenance: 5, draining: 8, drained: 2 };
const HEIGHT = 12;

export class Strip {
  constructor() {
    this.body = drawn("g");
    this.node = drawn("svg", { class: "strip", role: "img", preserveAspectRatio: "none" }, this.body);
  }

  /** `phases`: one a second, newest last, "" where it was not there; `seconds`: how many are shown. */
  show(phases, seconds) {
    set(this.node, "viewBox", `0 0 ${seconds} ${HEIGHT}`);
    const runs = runsOf(phases);
    const shift = seconds - phases.length;
    this.body.replaceChildren(...runs.filter((run) => run.phase).map((run) => rectangle(run, shift)));
    set(this.node, "aria-label", sentence(runs));
  }
}

function runsOf(phases) {
  const runs = [];
  phases.forEach((phase, at) => {
    const last = runs.at(-1);
    if (last?.phase === phase) last.length += 1;
    else runs.push({ phase, at, length: 1 });
  });
  return runs;
}

function rectangle(run, shift) {
  const height = HEIGHTS[run.phase] ?? HEIGHT;
  return drawn("rect", { x: shift + run.at, y: HEIGHT - height, width: run.length, height, class: `phase-${run.phase}` });
}

/** As in `starting 2s, then ready 4m 50s`; the last few will do. */
function sentence(runs) {
  const words = runs.slice(-4).map((run) => `${run.phase || "not there"} ${run.length > 1 ? span(roughly(run.length)) : "1s"}`);
  return words.join(", then ") || "nothing yet";
}

/** A text that changes each second is of no use to a screen reader. */
const roughly = (seconds) => (seconds < 20 ? seconds : Math.floor(seconds / 10) * 10);
