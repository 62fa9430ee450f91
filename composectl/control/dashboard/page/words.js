// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat("en");
const SIZES = ["B", "kB", "MB", "GB", "TB"];
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export const count = (number) => WHOLE.format(number);

/** One decimal below a hundred, none above; a dash where nothing was measured. */
export function figure(number) {
  if (number === null || number === undefined) return "–";
  return number < 99.95 ? number.toFixed(1) : WHOLE.format(Math.round(number));
}

/** Bytes, as in `0 B`, `12.3 kB`, `1.2 MB`. */
export function size(number) {
  let unit = 0;
  for (; number >= 999.5 && unit < SIZES.length - 1; unit += 1) number /= 1000;
  return `${number.toFixed(unit === 0 || number >= 99.95 ? 0 : 1)} ${SIZES[unit]}`;
}

export function percent(part, whole) {
  if (!whole) return "–";
  return part === whole ? "100%" : `${((100 * part) / whole).toFixed(1)}%`;
}

export const clock = (when) => CLOCK.format(new Date(when));

/** As in `2d 3h`, `3h 12m`, `12m 5s`, `5s`. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "m"], [whole % 60, "s"]];
  const first = parts.findIndex(([number]) => number);
  if (first < 0) return "0s";
  return parts.slice(first, first + 2).filter(([number]) => number).map(([number, unit]) => `${number}${unit}`).join(" ");
}

export const since = (when) => span((Date.now() - new Date(when)) / 1000);
