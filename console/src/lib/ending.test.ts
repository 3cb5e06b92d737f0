import { describe, expect, it } from "vitest";
import type { End } from "../api/types";
import { network } from "../testing";
import { afterExtending, checkExtension, endOf, endSign, endsThen, type ExtendForm, extendCommand, extendedWords, isOver } from "./ending";
import { revivalCommand, verbsOf } from "./life";
import { filterNetworks, why } from "./networks";
import { formatMinute } from "./time-span";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const end = (change: Partial<End> = {}): End => ({ stage: "ahead", soon_at_ms: NOW + 6 * HOUR, at_ms: NOW + 8 * HOUR, destroyed_at_ms: NOW + 16 * HOUR, ...change });
const over = network({ state: "stopped", intent: "stopped", end: end({ stage: "over", at_ms: NOW - HOUR, destroyed_at_ms: NOW + 7 * HOUR, resumes: true }) });
const form = (change: Partial<ExtendForm>): ExtendForm => ({ how: "by", by: "1d", until: "", ...change });

describe("an end", () => {
  it("is a sign in the list only when it is near or over", () => {
    expect(endSign(network(), NOW)).toBeNull();
    expect(endSign(network({ end: end() }), NOW)).toBeNull();
    expect(endSign(network({ end: end({ stage: "soon" }) }), NOW)).toBe("ends in 8 h");
    expect(endSign(over, NOW)).toBe("destroyed in 7 h");
  });

  it("is nobody's matter once the network is being destroyed", () => {
    const going = { ...over, intent: "destroyed" as const };
    expect([endOf(going), isOver(going), endSign(going, NOW)]).toEqual([null, false, null]);
    expect(isOver(over)).toBe(true);
  });

  it("is found by the filter", () => {
    const all = [network({ name: "a" }), network({ name: "b", end: end({ stage: "soon" }) }), { ...over, name: "c" }];
    expect(filterNetworks(all, "ends soon").map(({ name }) => name)).toEqual(["b"]);
    expect(filterNetworks(all, "over").map(({ name }) => name)).toEqual(["c"]);
  });

  it("that is over leaves extending as the way back, said in words without a clock of machines", () => {
    expect(verbsOf(over)).toEqual([]);
    expect(verbsOf(network({ state: "stopped", end: end({ stage: "soon" }) }))).toEqual(["start"]);
    expect(revivalCommand(over)).toBe("windlass network extend trade --by 1d");
    expect(revivalCommand(network({ state: "stopped" }))).toBe("windlass network start trade");
    expect(revivalCommand(network({ state: "destroying" }))).toBe("windlass network show trade");
    const reason = { code: "network_ended" as const, message: "it is destroyed at Unix time 7", remedy: "extend it", since_ms: 1 };
    expect(why({ ...over, reason }).message).not.toContain("Unix time");
    expect(why({ ...over, state: "stopping", reason }).message).toContain("Unix time");
  });
});

describe("extending", () => {
  it("asks for what was said, and leaves the judgement to the platform", () => {
    expect(checkExtension(form({ by: "2h" }))).toEqual({ extension: { by_s: 7200 } });
    expect(checkExtension(form({ by: "0s" }))).toEqual({ extension: { by_s: 0 } });
    expect(checkExtension(form({ how: "until", until: "2001-01-01T00:00" }))).toEqual({ extension: { until_ms: new Date(2001, 0, 1).getTime() } });
    expect(checkExtension(form({ how: "forever" }))).toEqual({ extension: { forever: true } });
    for (const wrong of [form({ by: "" }), form({ by: "-1d" }), form({ how: "until" })]) expect(checkExtension(wrong)).toHaveProperty("error");
  });

  it("says when it ends then, as the platform counts", () => {
    expect(endsThen(end(), { by_s: 60 }, NOW)).toBe(NOW + 8 * HOUR + 60_000);
    expect(endsThen(end({ at_ms: NOW - HOUR }), { by_s: 60 }, NOW)).toBe(NOW + 60_000);
    expect(endsThen(end(), { until_ms: 7 }, NOW)).toBe(7);
    expect(endsThen(end(), { forever: true }, NOW)).toBeNull();
  });

  it("shows the command that does the same", () => {
    expect(extendCommand("trade", form({ by: " 2 h" }))).toBe("windlass network extend trade --by 2h");
    expect(extendCommand("trade", form({ by: "x" }))).toBe("windlass network extend trade --by TIME");
    expect(extendCommand("trade", form({ how: "forever" }))).toBe("windlass network extend trade --forever");
    const until = new Date(2027, 0, 31, 18).toISOString().replace(".000", "");
    expect(extendCommand("trade", form({ how: "until", until: "2027-01-31T18:00" }))).toBe(`windlass network extend trade --until ${until}`);
    expect(extendCommand("trade", form({ how: "until" }))).toBe("windlass network extend trade --until TIME");
  });

  it("says whether it is started again", () => {
    expect(afterExtending(end())).toBeNull();
    expect(afterExtending(end({ stage: "over", resumes: true }))).toContain("started again");
    expect(afterExtending(end({ stage: "over", resumes: false }))).toContain("stays stopped");
    expect(extendedWords({ network: network() })).toBe("trade lives without an end");
    expect(extendedWords({ network: network({ end: end() }) })).toBe(`trade lives until ${formatMinute(NOW + 8 * HOUR)}`);
  });
});
