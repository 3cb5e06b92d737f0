// What networks used, by hour of the clock: sums, and the hours of a chart. Pure: the clock is an argument.
import type { HourOfUse, Metered } from "../api/types";
import { formatNumber } from "./format";

export const HOUR_MS = 3_600_000;
/** How far back a chart goes: seven days. */
export const CHART_HOURS = 7 * 24;

/** Right of it a day's name would not fit on a phone. */
const LAST_NAME = 0.88;

export const METRICS = ["cpu_ms", "memory_mib_s", "disk_mib_s", "requests"] as const satisfies readonly (keyof Metered)[];
export type Metric = (typeof METRICS)[number];

export const METRIC_NAMES: Record<Metric, string> = {
  cpu_ms: "Processor",
  memory_mib_s: "Memory",
  disk_mib_s: "Disk",
  requests: "Requests",
};

/** An amount with its unit: `12.4 CPU-s`, `37 MiB h`, `1.2 GiB h`, `1,204`. */
export function formatAmount(metric: Metric, amount: number): string {
  switch (metric) {
    case "cpu_ms":
      return `${decimals(amount / 1000)} CPU-s`;
    case "memory_mib_s":
    case "disk_mib_s": {
      const hours = amount / 3600;
      return hours < 1023.5 ? `${decimals(hours)} MiB h` : `${decimals(hours / 1024)} GiB h`;
    }
    case "requests":
      return formatNumber(amount);
  }
}

function decimals(value: number): string {
  if (value === 0) return "0";
  if (value < 0.0095) return "< 0.01";
  const places = value < 0.995 ? 2 : value < 99.5 ? 1 : 0;
  return value.toLocaleString("en-US", { maximumFractionDigits: places });
}

export function hourOf(atMs: number): number {
  return atMs - (atMs % HOUR_MS);
}

/** When the reader's day began. */
export function midnight(nowMs: number): number {
  return new Date(nowMs).setHours(0, 0, 0, 0);
}

const NOTHING: Metered = { cpu_ms: 0, memory_mib_s: 0, disk_mib_s: 0, requests: 0 };

function add(sum: Metered, { cpu_ms, memory_mib_s, disk_mib_s, requests }: Metered): Metered {
  return {
    cpu_ms: sum.cpu_ms + cpu_ms,
    memory_mib_s: sum.memory_mib_s + memory_mib_s,
    disk_mib_s: sum.disk_mib_s + disk_mib_s,
    requests: sum.requests + requests,
  };
}

/** The sum of the hours that began at a time or later. */
export function usedSince(hours: readonly HourOfUse[], fromMs: number): Metered {
  return hours.filter((hour) => hour.hour_ms >= fromMs).reduce<Metered>(add, NOTHING);
}

export interface Hour {
  hourMs: number;
  used: Metered;
}

/** Every hour of the chart, the oldest first, those without use too. */
export function chartHours(hours: readonly HourOfUse[], nowMs: number): Hour[] {
  const known = new Map<number, Metered>();
  for (const hour of hours) known.set(hour.hour_ms, add(known.get(hour.hour_ms) ?? NOTHING, hour));
  const last = hourOf(nowMs);
  return Array.from({ length: CHART_HOURS }, (_, index) => {
    const hourMs = last - (CHART_HOURS - 1 - index) * HOUR_MS;
    return { hourMs, used: known.get(hourMs) ?? NOTHING };
  });
}

/** Where the days of a chart begin, as a share of its width; a day that has just begun has no room for its name. */
export function dayMarks(hours: readonly Hour[]): { share: number; name: string }[] {
  return hours.flatMap(({ hourMs }, index) => {
    if (midnight(hourMs) <= hourMs - HOUR_MS) return [];
    const share = index / hours.length;
    return [{ share, name: share > LAST_NAME ? "" : new Date(hourMs).toLocaleDateString(undefined, { weekday: "short" }) }];
  });
}

/** What a chart says to those who do not see it. */
export function chartWords(hours: readonly Hour[], metric: Metric): string {
  const name = METRIC_NAMES[metric];
  const most = hours.reduce<Hour | null>((best, hour) => (best === null || hour.used[metric] > best.used[metric] ? hour : best), null);
  if (most === null || most.used[metric] === 0) return `${name} by hour over seven days: nothing was used.`;
  const sum = hours.reduce((total, hour) => total + hour.used[metric], 0);
  return `${name} by hour over seven days: ${formatAmount(metric, sum)} in all, at most ${formatAmount(metric, most.used[metric])} in the hour from ${formatHour(most.hourMs)}.`;
}

/** `Nov 30, 14:00`, in the reader's zone. */
export function formatHour(hourMs: number): string {
  return new Date(hourMs).toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
}
