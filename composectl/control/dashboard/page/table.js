// The backends of one service, a row each. On a narrow screen a row becomes a card, and is a row for a reader all the same.

import { colour } from "./chart.js";
import { element, keep, say, set } from "./dom.js";
import { Strip } from "./strip.js";
import { percent } from "./words.js";

const SIGNS = { starting: "◔", ready: "●", unhealthy: "✕", maintenance: "Ⅱ", draining: "◑", drained: "○" };
const HEADINGS = [["#", "number"], ["name", ""], ["phase", ""], ["last minutes", ""]];

export class Table {
  /** `kind` is of kinds.js; `choose(id)` hears which backend is looked at; `command(kind, backend)` what to do with it. */
  constructor(service, kind, choose, command) {
    this.kind = kind;
    this.choose = choose;
    this.command = command;
    this.rows = new Map();
    this.body = element("tbody", { role: "rowgroup" });
    this.action = element("th", { scope: "col", role: "columnheader", class: "action" });
    this.action.append(element("span", { class: "unseen" }, "command"));
    const figures = [...kind.before, ["share"], ...kind.after].map(([name]) => [name, "number"]);
    const headings = [...HEADINGS, ...figures].map(([words, kind]) => element("th", { scope: "col", role: "columnheader", class: kind }, words));
    const caption = element("caption", { class: "unseen" });
    say(caption, `Backends of ${service}`);
    const head = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...headings, this.action));
    this.node = element("table", { class: "backends", role: "table" }, caption, head, this.body);
  }

  /** `control`: whether there are buttons. */
  show(service, series, span, control) {
    const byPlace = new Map(series.map((one) => [one.id, one]));
    const counts = service.backends.map(this.kind.counted);
    const all = counts.reduce((total, one) => total + one, 0);
    const most = Math.max(1, ...counts);
    const items = service.backends.map((backend) => ({ backend, one: byPlace.get(backend.id), all, most, span, control }));
    this.action.hidden = !control;
    keep(this.body, this.rows, items, ({ backend }) => backend.id, () => new Row(this.kind, this.choose, this.command));
  }
}

class Row {
  constructor(kind, choose, command) {
    this.kind = kind;
    this.strip = new Strip();
    this.swatch = element("span", { class: "swatch", "aria-hidden": "true" });
    this.number = element("span");
    this.name = element("span", { class: "name" });
    this.address = element("span", { class: "address" });
    this.sign = element("span", { "aria-hidden": "true", class: "sign" });
    this.phase = element("span");
    this.badge = element("span", { class: "badge" }, this.sign, this.phase);
    this.canary = element("span", { class: "canary" });
    this.bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span"));
    this.share = element("span");
    this.button = element("button", { type: "button", class: "small" });
    this.figures = new Map([...kind.before, ...kind.after].map(([name]) => [name, cell(name, "number")]));
    const cells = (columns) => columns.map(([name]) => this.figures.get(name));
    this.action = cell("", "action", this.button);
    this.node = element("tr", { role: "row" },
      cell("#", "number place", this.swatch, this.number),
      element("th", { scope: "row", role: "rowheader", class: "who" }, this.name, this.address),
      cell("phase", "phase", this.badge, this.canary),
      cell("last minutes", "times", this.strip.node),
      ...cells(kind.before),
      cell("share", "number share", element("span", { class: "bar-and-share" }, this.bar, this.share)),
      ...cells(kind.after), this.action);
    this.node.addEventListener("pointerenter", () => choose(this.backend.id));
    this.node.addEventListener("pointerleave", () => choose(""));
    this.button.addEventListener("click", () => command(this.button.dataset.kind, this.backend));
  }

  show({ backend, one, all, most, span, control }) {
    this.backend = backend;
    set(this.swatch, "class", `swatch ${colour(backend.number)}`);
    say(this.number, String(backend.number));
    say(this.name, backend.name);
    const address = backend.name === backend.address ? "" : backend.address;
    say(this.address, backend.node ? `${address} on ${backend.node}` : address);
    set(this.name, "title", backend.name);
    say(this.sign, SIGNS[backend.phase] ?? "·");
    say(this.phase, backend.phase);
    set(this.badge, "class", `badge phase-${backend.phase}`);
    say(this.canary, backend.canary ? `canary at ${Number((100 * backend.canary).toPrecision(3))}%` : "");
    this.strip.show(one?.phase ?? [], span);
    const counted = this.kind.counted(backend);
    say(this.share, percent(counted, all));
    this.bar.firstChild.style.width = `${(100 * counted) / most}%`;
    this.#figures(backend);
    this.#button(backend, control);
  }

  #figures(backend) {
    for (const [name, text, value] of [...this.kind.before, ...this.kind.after]) {
      const node = this.figures.get(name);
      say(node, text(backend));
      node.classList.toggle("none", !value(backend));
      if (name === "errors") node.classList.toggle("bad", value(backend) > 0);
    }
  }

  #button(backend, control) {
    const kind = { maintenance: "undrain", draining: "", drained: "" }[backend.phase] ?? "drain";
    this.action.hidden = !control;
    // One that is focused stays, so that the focus is not lost; it has nothing to do meanwhile.
    this.button.classList.toggle("gone", !kind);
    set(this.button, "aria-disabled", String(!kind));
    this.button.dataset.kind = kind;
    say(this.button, kind === "undrain" ? "Undrain" : "Drain");
    set(this.button, "aria-label", `${kind === "undrain" ? "Undrain" : "Drain"} ${backend.number}, ${backend.name}`);
  }
}

function cell(name, kind, ...children) {
  return element("td", { role: "cell", class: kind, "data-name": name }, ...children);
}
