// One balanced service: its state, its charts and its backends.

import { Areas, Lines } from "./chart.js";
import { element, keep, say, set } from "./dom.js";
import { byConnection, kindOf } from "./kinds.js";
import { Reasons, grouped } from "./reasons.js";
import { Steering } from "./steering.js";
import { Table } from "./table.js";
import { count, figure, percent, since, size } from "./words.js";

const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const MEAN = 5;

export class Service {
  constructor(service, commands) {
    this.commands = commands;
    this.title = element("h2", { id: `service-${service.service}` });
    this.meta = element("p", { class: "meta" });
    this.ready = element("p", { class: "ready" });
    this.steering = new Steering(service.service, commands);
    this.notices = new Reasons("Notices", "notices");
    this.waiting = new Reasons("Not ready", "waiting");
    this.figures = new Figures();
    this.responses = new Responses();
    const kind = kindOf(service);
    const charts = [[new Areas(kind.rate, kind.unit), kind.rate], [new Lines("p95 latency", "ms"), "p95 latency, ms"]];
    const drawn = byConnection(service) ? charts.slice(0, 1) : charts;
    this.charts = drawn.map(([chart]) => chart);
    this.responses.node.hidden = byConnection(service);
    this.table = new Table(service.service, kind, (id) => this.#choose(id), (kind, backend) => commands.maintain(kind, service.service, backend));
    const figures = drawn.map(([chart, words]) => element("figure", {}, element("figcaption", {}, words), chart.node));
    this.node = element("section", { class: "card service", "aria-labelledby": `service-${service.service}` },
      element("div", { class: "title" }, element("div", {}, this.title, this.meta), element("div", { class: "side" }, this.steering.node, this.ready)),
      this.notices.node, this.waiting.node, this.figures.node, element("div", { class: "charts" }, ...figures), this.responses.node, this.table.node);
    this.chosen = "";
  }

  show({ service, seconds, control }) {
    this.last = { service, seconds, control };
    say(this.title, service.service);
    say(this.meta, `${places(service)}  ·  ${service.policy}${service.sticky ? `, sticky by ${service.sticky}` : ""}${service.range ? `, ${service.range} by load` : ""}  ·  up ${since(service.since)}`);
    this.#readiness(service);
    this.steering.show(service, control);
    this.notices.show(service.notices.map((text) => ({ text })));
    this.waiting.show(grouped(service.waiting));
    this.figures.show(service, seconds.latency(service.service));
    this.responses.show(service.totals.responses);
    this.#draw();
  }

  // Private

  #draw() {
    const { service, seconds, control } = this.last;
    const series = seconds.of(service.service);
    for (const chart of this.charts) chart.show(series, seconds.span, this.chosen);
    this.table.show(service, series, seconds.span, control.may);
  }

  #choose(id) {
    this.chosen = id;
    this.#draw();
  }

  #readiness(service) {
    const ready = service.backends.filter((one) => one.phase === "ready").length;
    say(this.ready, service.asleep ? "asleep" : `${ready}/${service.desired} ready`);
    set(this.ready, "class", `ready ${service.asleep ? "quiet" : ready >= service.desired ? "good" : ready ? "uneasy" : "bad"}`);
  }
}

/** Where it is reached: the listeners of each port, and its protocol. */
function places({ ports, redirect_http: redirect }) {
  const served = ports.map((port) => `${port.listeners.join("  ")} ${protocolOf(port)}`);
  return [...served, ...redirect.slice(0, 1).map((listener) => `port ${listener.split(":").at(-1)} redirects to https`)].join("  ");
}

function protocolOf({ protocol, recognised }) {
  const came = protocol === "auto" ? Object.keys(recognised).sort().join(", ") : "";
  return came ? `${protocol}: ${came}` : protocol;
}

/** The few numbers that are looked at first. */
class Figures {
  constructor() {
    this.kept = new Map();
    this.node = element("dl", { class: "figures" });
  }

  show(service, latency) {
    const items = byConnection(service) ? ofConnections(service) : ofRequests(service, latency);
    keep(this.node, this.kept, [...items, ...troubles(service)], ([name]) => name, ([name]) => new Figure(name));
  }
}

function ofRequests({ totals, last_minute: minute }, { p50, p95 }) {
  return [
    ["requests/s", figure(mean(minute))], ["p50 ms", figure(p50)], ["p95 ms", figure(p95)],
    ["in flight", count(totals.in_flight), !totals.in_flight], ["requests", count(totals.requests)],
  ];
}

function ofConnections({ totals, last_minute: minute }) {
  return [
    ["connections/s", figure(mean(minute))], ["open", count(totals.connections), !totals.connections],
    ["connections", count(totals.connections_total)], ["received", size(totals.bytes_received)], ["sent", size(totals.bytes_sent)],
  ];
}

function troubles({ totals, sticky }) {
  const moved = ["sessions moved", count(totals.sessions_moved), !totals.sessions_moved, "uneasy"];
  return [
    ["failed", count(totals.failed), !totals.failed, "bad"], ["retried", count(totals.retried), !totals.retried, "uneasy"],
    ["queued", count(totals.queued), !totals.queued, "uneasy"], ...(sticky ? [moved] : []),
  ];
}

function mean(minute) {
  const last = minute.slice(-MEAN);
  return last.length ? last.reduce((sum, one) => sum + one, 0) / last.length : 0;
}

class Figure {
  constructor(name) {
    this.value = element("dd");
    this.node = element("div", {}, element("dt", {}, name), this.value);
  }

  show([, text, none = false, kind = ""]) {
    say(this.value, text);
    set(this.value, "class", none ? "none" : kind);
  }
}

/** The responses by class, as one bar and in words. */
class Responses {
  constructor() {
    this.parts = CLASSES.map((name) => element("span", { class: `class-${name}` }));
    this.words = CLASSES.map((name) => element("li", { class: `class-${name}` }));
    this.node = element("div", { class: "responses" },
      element("h3", {}, "Responses"),
      element("div", { class: "classes", "aria-hidden": "true" }, ...this.parts),
      element("ul", {}, ...this.words));
  }

  show(responses) {
    const all = CLASSES.reduce((sum, name) => sum + responses[name], 0);
    CLASSES.forEach((name, index) => {
      const number = responses[name];
      this.parts[index].style.flexGrow = number;
      this.parts[index].hidden = !number;
      this.words[index].hidden = !number && name !== "2xx";
      say(this.words[index], `${name} ${count(number)}${all ? ` (${percent(number, all)})` : ""}`);
    });
  }
}
