// The stream of what goes on: it comes back by itself, and says plainly when it is gone.

const AGAIN = 2000;
const LONGEST_SILENCE = 8000; // a snapshot comes every two seconds at least

/** `heard` gets each snapshot, `changed` each change, `became` one of live, lost and ended. */
export function listen({ heard, changed, became }) {
  let source = null;
  let silence = 0;
  let ended = false;

  function open() {
    source = new EventSource("v1/events");
    source.addEventListener("snapshot", (event) => {
      ended = false;
      wait();
      became("live");
      heard(JSON.parse(event.data));
    });
    source.addEventListener("change", (event) => changed(JSON.parse(event.data)));
    source.addEventListener("end", () => {
      ended = true;
      again();
    });
    source.addEventListener("error", again);
    wait();
  }

  function again() {
    clearTimeout(silence);
    source.close();
    became(ended ? "ended" : "lost");
    silence = setTimeout(open, AGAIN);
  }

  function wait() {
    clearTimeout(silence);
    silence = setTimeout(again, LONGEST_SILENCE);
  }

  open();
}
