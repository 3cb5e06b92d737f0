import { describe, expect, it } from "vitest";
import type { HourOfUse, Metered } from "../api/types";
import { CHART_HOURS, chartHours, chartWords, dayMarks, formatAmount, formatHour, HOUR_MS, hourOf, midnight, usedSince } from "./usage";

const NOW = new Date(2027, 0, 13, 15, 30).getTime();
const hour = (before: number, change: Partial<Metered>): HourOfUse => ({
  network: "net-0000000000000000",
  name: "trade",
  hour_ms: hourOf(NOW) - before * HOUR_MS,
  cpu_ms: 0,
  memory_mib_s: 0,
  disk_mib_s: 0,
  requests: 0,
  ...change,
});

describe("amounts", () => {
  it("have their unit, and small ones are not nothing", () => {
    expect([0, 4, 12_345, 7_200_000].map((ms) => formatAmount("cpu_ms", ms))).toEqual(["0 CPU-s", "< 0.01 CPU-s", "12.3 CPU-s", "7,200 CPU-s"]);
    expect([0, 1800, 3_600 * 1536].map((amount) => formatAmount("memory_mib_s", amount))).toEqual(["0 MiB h", "0.5 MiB h", "1.5 GiB h"]);
    expect(formatAmount("requests", 1204)).toBe("1,204");
  });
});

describe("what was used", () => {
  const used = [hour(0, { cpu_ms: 5, requests: 1 }), hour(20, { cpu_ms: 7 }), hour(CHART_HOURS, { cpu_ms: 1000 })];

  it("is summed up from an hour on", () => {
    expect(usedSince(used, midnight(NOW))).toEqual({ cpu_ms: 5, memory_mib_s: 0, disk_mib_s: 0, requests: 1 });
    expect(usedSince(used, hourOf(NOW) - 20 * HOUR_MS).cpu_ms).toBe(12);
    expect(usedSince([], 0).requests).toBe(0);
  });

  it("has an hour of the chart for each hour of seven days, and none from before", () => {
    const hours = chartHours(used, NOW);
    expect(hours).toHaveLength(CHART_HOURS);
    expect(hours.at(-1)).toMatchObject({ hourMs: hourOf(NOW), used: { cpu_ms: 5 } });
    expect(hours.at(-21)?.used.cpu_ms).toBe(7);
    expect(hours.reduce((sum, one) => sum + one.used.cpu_ms, 0)).toBe(12);
  });

  it("has a mark where each day begins", () => {
    const marks = dayMarks(chartHours(used, NOW));
    expect(marks).toHaveLength(7);
    const begins = chartHours(used, NOW)[Math.round((marks.at(-1)?.share ?? 0) * CHART_HOURS)];
    expect((begins?.hourMs ?? 0) - midnight(NOW)).toBeLessThan(HOUR_MS);
    expect(begins?.hourMs).toBeGreaterThanOrEqual(midnight(NOW));
  });

  it("is said in words too", () => {
    expect(chartWords(chartHours(used, NOW), "cpu_ms")).toBe(
      `Processor by hour over seven days: 0.01 CPU-s in all, at most < 0.01 CPU-s in the hour from ${formatHour(hourOf(NOW) - 20 * HOUR_MS)}.`,
    );
    expect(chartWords(chartHours([], NOW), "requests")).toBe("Requests by hour over seven days: nothing was used.");
  });
});
