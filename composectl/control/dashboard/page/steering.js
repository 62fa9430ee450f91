// What may be ordered of a whole service: how many replicas, new ones for old ones, and what becomes of a canary.

import { element, say, set } from "./dom.js";

export class Steering {
  constructor(service, orders) {
    this.service = service;
    this.wanted = null;
    this.input = element("input", { type: "number", min: 0, max: 1000, step: 1, required: "", inputmode: "numeric" });
    this.scale = element("button", { type: "submit" }, "Scale");
    this.stepper = element("form", { class: "stepper" },
      this.#step("−", "one fewer", -1), this.input, this.#step("+", "one more", 1), this.scale);
    this.renew = button("Roll out", () => orders.renew(service));
    this.goOn = button("Continue", () => orders.judge(service, true));
    this.abort = button("Abort", () => orders.judge(service, false));
    this.node = element("div", { class: "steering", role: "group" }, this.stepper, this.renew, this.goOn, this.abort);
    set(this.node, "aria-label", `Orders for ${service}`);
    set(this.input, "aria-label", `Replicas of ${service}`);
    set(this.goOn, "aria-label", `Continue with the rollout of ${service}`);
    set(this.abort, "aria-label", `Abort the rollout of ${service}: take the canary back`);
    this.input.addEventListener("input", () => this.#compare());
    this.stepper.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.input.valueAsNumber !== this.wanted) orders.scale(service, this.input.valueAsNumber, this.wanted);
    });
  }

  show(service, control) {
    this.node.hidden = !control.may;
    this.stepper.hidden = this.renew.hidden = control.fixed;
    const canary = service.backends.some((one) => one.canary);
    this.goOn.hidden = this.abort.hidden = !canary;
    const untouched = this.wanted === null || this.input.valueAsNumber === this.wanted;
    this.wanted = service.wanted;
    if (untouched) this.input.value = service.wanted;
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
    const differs = this.input.valueAsNumber !== this.wanted;
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
