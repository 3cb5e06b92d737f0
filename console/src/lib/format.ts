// Numbers, times, sizes and hashes as people read them. Pure: the clock is an argument.

const grouped = new Intl.NumberFormat("en-US");

/** `1,234,567` */
export function formatNumber(value: number): string {
  return grouped.format(value);
}

/** `38 MB`, `1.2 GB`: decimal units, as `ps` users and cloud invoices count them. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `840 ms`, `2.4 s`, `3 min 5 s`, `2 h 4 min` */
export function formatDuration(milliseconds: number): string {
  const ms = Math.max(0, Math.round(milliseconds));
  if (ms < 1000) return `${ms} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return joined(minutes, "min", whole % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return joined(hours, "h", minutes % 60, "min");
  return joined(Math.floor(hours / 24), "d", hours % 24, "h");
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** `now`, `12 s ago`, `4 min ago`, `3 h ago`, `5 d ago`; a clock that is a little ahead is `now`. */
export function formatAge(atMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - atMs) / 1000);
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** `in 6 d`, `in 3 h`; what is over has an age. */
export function formatMoment(atMs: number, nowMs: number): string {
  const seconds = Math.floor((atMs - nowMs) / 1000);
  if (seconds < 1) return formatAge(atMs, nowMs);
  if (seconds < 60) return `in ${seconds} s`;
  if (seconds < 3600) return `in ${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `in ${Math.floor(seconds / 3600)} h`;
  return `in ${Math.floor(seconds / 86_400)} d`;
}

/** The absolute time, in the reader's zone, with the zone named. */
export function formatAbsolute(atMs: number): string {
  return new Date(atMs).toLocaleString(undefined, {
    year: "numeric",
    month: "short",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });
}

/** `0x4f2a…91bc`: shortened in the middle, where nobody compares. */
export function shortenHash(hash: string, lead = 6, trail = 4): string {
  return hash.length <= lead + trail + 1 ? hash : `${hash.slice(0, lead)}…${hash.slice(-trail)}`;
}

const UNITS: readonly (readonly [bigint, number, string])[] = [
  [10n ** 15n, 18, "ETH"],
  [10n ** 6n, 9, "gwei"],
];

/** An amount in wei (`0x` hex or decimal) with the unit in which it is shortest to read. */
export function formatWei(value: string): string {
  let wei: bigint;
  try {
    wei = BigInt(value);
  } catch {
    return value;
  }
  for (const [least, decimals, unit] of UNITS) {
    if (wei >= least) return `${decimalText(wei, decimals)} ${unit}`;
  }
  return wei === 0n ? "0" : `${wei} wei`;
}

function decimalText(wei: bigint, decimals: number): string {
  const scale = 10n ** BigInt(decimals);
  const whole = (wei / scale).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  const fraction = (wei % scale).toString().padStart(decimals, "0").slice(0, 4).replace(/0+$/, "");
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** `1 node`, `4 nodes` */
export function plural(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** First letter in upper case. */
export function capitalise(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
