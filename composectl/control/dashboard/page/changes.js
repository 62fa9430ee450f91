// The changes of all services, newest first.

import { byId, element, keep, say, set } from "./dom.js";
import { clock } from "./words.js";

const MOST = 100;

export class Changes {
  constructor() {
    this.kept = new Map();
    this.body = byId("changes");
    this.none = byId("no-changes");
  }

  show(snapshot) {
    const several = snapshot.services.length > 1;
    const all = snapshot.services.flatMap((service) => changesOf(service).map((change, index) => ({ ...change, service: service.service, index, several })));
    all.sort((one, other) => (one.at < other.at ? 1 : one.at > other.at ? -1 : other.index - one.index));
    const shown = distinct(all.slice(0, MOST));
    keep(this.body, this.kept, shown, (change) => change.key, (change) => new Row(change));
    this.none.hidden = shown.length > 0;
  }
}

/** Those of its backends, and those of the number of replicas, under its own name. */
function changesOf(service) {
  return [...service.changes, ...service.scalings.map((scaling) => ({ ...scaling, number: 0, name: service.service }))];
}

/** Each with a key of its own: two changes of one backend may fall into one millisecond. */
function distinct(changes) {
  return changes.map((change) => ({ ...change, key: [change.at, change.service, change.number, change.from, change.to].join(" ") }));
}

class Row {
  constructor(change) {
    this.node = element("tr", {}, cell("when", clock(change.at)), cell("who", who(change)),
      cell(`from phase-${change.from}`, change.from), cell(`to phase-${change.to}`, change.to), cell("reason", change.reason));
    set(this.node.firstChild, "title", change.at);
  }

  show() {}
}

const who = (change) => (change.several && change.number ? `${change.service} ${change.name}` : change.name);

function cell(kind, text) {
  const node = element("td", { class: kind });
  say(node, text);
  return node;
}
