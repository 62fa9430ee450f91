// The page: passes the events to the services and the changes on it.

import { Changes } from "./changes.js";
import { byId, keep, say, set } from "./dom.js";
import { byConnection } from "./kinds.js";
import { listen } from "./live.js";
import { Control, Commands } from "./commands.js";
import { Reasons, grouped } from "./reasons.js";
import { Seconds } from "./seconds.js";
import { Service } from "./service.js";
import { clock, since } from "./words.js";

const SAID_EVERY = 5000;

const seconds = new Seconds();
const control = new Control();
const commands = new Commands();
const changes = new Changes();
const services = new Map();
const others = new Reasons("Other containers that are not well", "waiting card");
let newest = null;
let state = "connecting";
let heardAt = null;
let saidAt = 0;

byId("others").append(others.node);
listen({ heard, changed: () => {}, became });
setInterval(tick, 1000);
addEventListener("resize", draw);

function heard(snapshot) {
  newest = snapshot;
  heardAt = Date.now();
  draw();
  if (!control.known) control.ask().then(draw).catch(() => {}); // with the next snapshot, then
  seconds.refresh().then((more) => more && draw()).catch(() => {}); // the stream tells that the connection is lost
}

function draw() {
  if (!newest) return;
  say(byId("project"), newest.project);
  document.title = `${newest.project} · composectl`;
  const items = newest.services.map((service) => ({ service, seconds, control }));
  keep(byId("services"), services, items, ({ service }) => `${service.service} ${byConnection(service)}`, ({ service }) => new Service(service, commands));
  others.show(grouped(newest.others));
  changes.show(newest);
  announce();
}

function became(next) {
  if (next === "live" && state !== "live") {
    seconds.forget();
    control.known = false;
  }
  if (next !== state) saidAt = 0;
  state = next;
  tick();
}

/** What depends on the time alone. */
function tick() {
  set(byId("state"), "data-state", state);
  set(document.body, "data-state", state);
  say(byId("state-word"), { lost: "connection lost", ended: "ended" }[state] ?? state);
  notice(byId("notice"), lost());
  const stale = state === "live" && newest?.stale_since;
  notice(byId("stale"), stale ? `The Docker Engine cannot be reached since ${clock(stale)}, for ${since(stale)}: the running containers may have changed.` : "");
  announce();
}

function lost() {
  const shown = heardAt ? ` What is shown is of ${clock(heardAt)}.` : "";
  if (state === "ended") return `composectl has ended.${shown}`;
  if (state === "lost") return `The connection to composectl is lost; it is tried again every two seconds.${shown}`;
  return "";
}

function notice(node, text) {
  node.hidden = !text;
  say(node, text);
}

/** One sentence for screen readers, when it has changed, and not too often. */
function announce() {
  if (Date.now() - saidAt < SAID_EVERY) return;
  const text = state === "live" ? (newest?.services ?? []).map(readiness).join("; ") : lost();
  const stale = newest?.stale_since && state === "live" ? "; the Docker Engine cannot be reached" : "";
  if (byId("said").textContent === text + stale) return;
  say(byId("said"), text + stale);
  saidAt = Date.now();
}

function readiness(service) {
  const ready = service.backends.filter((one) => one.phase === "ready").length;
  const notices = service.notices.length ? `, ${service.notices.join(", ")}` : "";
  if (service.asleep) return `${service.service}: asleep${notices}`;
  return `${service.service}: ${ready} of ${service.desired} ready${notices}`;
}
