// Spans and moments as people write them, and as the command line takes them. Pure.

const UNITS: readonly (readonly [string, number, string])[] = [
  ["d", 86_400, "day"],
  ["h", 3600, "hour"],
  ["m", 60, "minute"],
  ["s", 1, "second"],
];

export const SPAN_WANTED = "A whole number and its unit: 90s, 30m, 2h or 7d.";

/** The seconds of `90s`, `30m`, `2h` or `7d`; null for anything else. */
export function parseSpan(text: string): number | null {
  const [, digits, unit] = /^(\d+)\s*([smhd])$/.exec(text.trim()) ?? [];
  const factor = UNITS.find(([letter]) => letter === unit)?.[1];
  if (digits === undefined || factor === undefined) return null;
  const seconds = Number(digits) * factor;
  return Number.isSafeInteger(seconds) ? seconds : null;
}

/** `7d`: the span in the greatest unit that it is a whole number of. */
export function spanText(seconds: number): string {
  const [letter, factor] = UNITS.find(([, size]) => seconds > 0 && seconds % size === 0) ?? ["s", 1];
  return `${seconds / factor}${letter}`;
}

/** The same in words: `7 days`, `1 hour`. */
export function spanWords(seconds: number): string {
  const [, factor, noun] = UNITS.find(([, size]) => seconds > 0 && seconds % size === 0) ?? ["s", 1, "second"];
  const count = seconds / factor;
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** What a field for a date and a time holds, in the reader's zone; null where it holds none. */
export function parseLocal(text: string): number | null {
  if (text === "") return null;
  const ms = new Date(text).getTime();
  return Number.isFinite(ms) ? ms : null;
}

/** A moment as a field for a date and a time has it, in the reader's zone. */
export function localText(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = [String(at.getFullYear()).padStart(4, "0"), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${date}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The time to the minute, in the reader's zone, with the zone named. */
export function formatMinute(atMs: number): string {
  return new Date(atMs).toLocaleString(undefined, {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  });
}
