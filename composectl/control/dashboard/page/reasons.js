// What a service needs: notices that may call for another option, and why replicas are not ready.

import { element, keep, say } from "./dom.js";

export class Reasons {
  /** A list below `heading`, which is hidden while it is empty. */
  constructor(heading, kind) {
    this.kept = new Map();
    this.list = element("ul");
    this.node = element("div", { class: `reasons ${kind}` }, element("h3", {}, heading), this.list);
    this.show([]);
  }

  /** `items`: a `text` each, and a `hint` where something is to be done. */
  show(items) {
    keep(this.list, this.kept, items, ({ key, text }) => key ?? text, () => new Reason());
    this.node.hidden = !items.length;
  }
}

/** Those with the same reason together, as `echo-3 and 2 more: port 80: Connection refused`. */
export function grouped(waiting) {
  const groups = new Map();
  for (const one of waiting) {
    const key = JSON.stringify([one.service, one.reason, one.hint]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].map(([key, [first, ...others]]) => {
    const more = others.length ? ` and ${others.length} more` : "";
    return { key, text: `${first.name}${more}: ${first.reason}`, hint: first.hint };
  });
}

class Reason {
  constructor() {
    this.text = element("span");
    this.hint = element("span", { class: "hint" });
    this.node = element("li", {}, this.text, this.hint);
  }

  show({ text, hint = "" }) {
    say(this.text, text);
    say(this.hint, hint ? `To do: ${hint}` : "");
  }
}
