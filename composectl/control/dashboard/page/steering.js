// The commands for a whole service: scale, roll out, promote or abort a canary.

import { element, say, set } from "./dom.js";

export class Steering {
  constructor(service, commands) {
    this.service = service;
    this.desired = null;
    this.input = element("input", { type: "number", min: 0, max: 1000, step: 1, required: "", inputmode: "numeric" });
    this.scale = element("button", { type: "submit" }, "Scale");
    this.stepper = element("form", { class: "stepper" },
      this.#step("−", "one fewer", -1), this.input, this.#step("+", "one more", 1), this.scale);
    this.rollout = button("Roll out", () => commands.rollout(service));
    this.promote = button("Promote", () => commands.promote(service));
    this.abort = button("Abort", () => commands.abort(service));
    this.node = element("div", { class: "steering", role: "group" }, this.stepper, this.rollout, this.promote, this.abort);
    set(this.node, "aria-label", `Commands for ${service}`);
    set(this.input, "aria-label", `Replicas of ${service}`);
    set(this.promote, "aria-label", `Promote the canary of ${service}`);
    set(this.abort, "aria-label", `Abort the rollout of ${service}: take the canary back`);
    this.input.addEventListener("input", () => this.#compare());
    this.stepper.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.input.valueAsNumber !== this.desired) commands.scale(service, this.input.valueAsNumber, this.desired);
    });
  }

  show(service, control) {
    this.node.hidden = !control.may;
    this.stepper.hidden = this.rollout.hidden = control.fixed;
    const canary = service.backends.some((one) => one.canary);
    this.promote.hidden = this.abort.hidden = !canary;
    const untouched = this.desired === null || this.input.valueAsNumber === this.desired;
    this.desired = service.desired;
    if (untouched) this.input.value = service.desired;
    this.#compare();
  }

  // Private

  #step(sign, words, by) {
    const node = button(sign, () => {
      this.input.value = Math.max(0, (this.input.valueAsNumber || 0) + by);
      this.#compare();
    });
    set(node, "aria-label", `${words} of ${this.service}`);
    node.classList.add("step");
    return node;
  }

  #compare() {
    const differs = this.input.valueAsNumber !== this.desired;
    this.scale.classList.toggle("main", differs);
    set(this.scale, "aria-disabled", String(!differs));
  }
}

function button(words, press) {
  const node = element("button", { type: "button" });
  say(node, words);
  node.addEventListener("click", press);
  return node;
}
