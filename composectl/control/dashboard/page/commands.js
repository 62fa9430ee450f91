// Commands: they are sent with the token, and their progress is shown until it is cleared.

import { byId, element, say, set } from "./dom.js";

const KEY = "composectl-token";
const MOST_SHOWN = 8;

let answered = () => {};
byId("confirm").addEventListener("close", ({ target }) => target.open || answered(target.returnValue === "yes"));

/** What this page may do: nothing without a valid token. */
export class Control {
  known = false; // whether the daemon has answered
  may = false;
  fixed = true;

  constructor() {
    takeToken();
    addEventListener("hashchange", () => takeToken() && this.ask());
  }

  /** Asks whether the token is valid. */
  async ask() {
    const about = await (await fetch("v1/about", { headers: authorization() })).json();
    this.known = true;
    this.may = about.control === "yes";
    this.fixed = about.fixed;
    const stale = about.control === "token" && sessionStorage.getItem(KEY);
    const hint = byId("control-hint");
    hint.hidden = about.control !== "token";
    say(hint, stale ? "The token of this page belongs to an earlier composectl. The running one has printed another address." : "To send commands from here, open the address with the token that composectl printed when it started.");
  }
}

export class Commands {
  constructor() {
    this.list = byId("commands-list");
    this.section = byId("commands");
    byId("commands-clear").addEventListener("click", () => {
      this.list.replaceChildren();
      this.section.hidden = true;
    });
  }

  async scale(service, desired, before) {
    const words = `Scale ${service} from ${before} to ${desired}`;
    const fewer = before - desired;
    const what = `${fewer === 1 ? "One replica is" : `${fewer} replicas are`} drained, then stopped and removed. No request is lost.`;
    if (fewer > 0 && !(await confirmed(`${words}?`, what, "Scale"))) return;
    this.#send(words, "scale", { desired: { [service]: desired }, oldest_first: false });
  }

  async rollout(service) {
    const what = "New replicas take the place of the old ones, one at a time, from the compose files and the images as they are now.";
    if (await confirmed(`Roll ${service} out?`, what, "Roll out")) this.#send(`Roll ${service} out`, "rollout", { service });
  }

  promote(service) {
    this.#send(`Promote the canary of ${service}`, "rollout/promote", { service });
  }

  abort(service) {
    this.#send(`Abort the rollout of ${service}`, "rollout/abort", { service });
  }

  /** `kind`: drain or undrain. */
  maintain(kind, service, backend) {
    if (kind) this.#send(`${kind === "drain" ? "Drain" : "Undrain"} ${service} ${backend.number}`, kind, { service, number: backend.number });
  }

  // Private

  async #send(words, path, request) {
    const shown = new Shown(words);
    this.list.prepend(shown.node);
    while (this.list.children.length > MOST_SHOWN) this.list.lastChild.remove();
    this.section.hidden = false;
    try {
      await follow(path, request, shown);
    } catch {
      shown.end("bad", "The connection was lost before the command was done.", "the table shows the result");
    }
  }
}

/** One command, and its progress. */
class Shown {
  constructor(words) {
    this.state = element("span", { class: "command-state" }, "…");
    const title = element("span", { class: "command-title" });
    say(title, words);
    this.lines = element("ul");
    this.node = element("li", { class: "going" }, element("p", {}, this.state, title), this.lines);
  }

  tell(line, kind = "") {
    const node = element("li", { class: kind });
    say(node, line);
    this.lines.append(node);
  }

  end(kind, line = "", hint = "") {
    set(this.node, "class", kind);
    say(this.state, kind === "good" ? "done" : "failed");
    if (line) this.tell(line, "error");
    if (hint) this.tell(`hint: ${hint}`, "hint");
  }
}

async function follow(path, request, shown) {
  const headers = { ...authorization(), "Content-Type": "application/json" };
  const answer = await fetch(`v1/${path}`, { method: "POST", headers, body: JSON.stringify(request) });
  if (!answer.ok) {
    shown.end("bad", answer.status === 401 ? "The token is no longer valid." : `Rejected: ${(await answer.text()).trim()}`);
    return;
  }
  for await (const line of linesOf(answer.body)) {
    if ("progress" in line) shown.tell(line.progress);
    else if ("error" in line) shown.end("bad", line.error, line.hint);
    else shown.end("good");
  }
  if (shown.node.className === "going") shown.end("bad", "composectl ended before the command was done.");
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    yield* lines.filter(Boolean).map((line) => JSON.parse(line));
  }
}

/** Whether the dialog is confirmed; Escape cancels. */
function confirmed(title, text, yes) {
  const dialog = byId("confirm");
  say(byId("confirm-title"), title);
  say(byId("confirm-text"), text);
  say(byId("confirm-yes"), yes);
  dialog.returnValue = "no";
  answered(false); // a dialog that was closed just now
  dialog.showModal();
  return new Promise((resolve) => (answered = resolve));
}

/** The token leaves the address, so that it is not copied along with it. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    sessionStorage.setItem(KEY, token);
    history.replaceState(null, "", location.pathname);
  }
  return Boolean(token);
}

function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}
