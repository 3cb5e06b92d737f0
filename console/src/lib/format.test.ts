import { describe, expect, it } from "vitest";
import { formatAge, formatBytes, formatDuration, formatMoment, formatWei, shortenHash } from "./format";

function check<Input, Output>(format: (input: Input) => Output, cases: readonly (readonly [Input, Output])[]) {
  for (const [input, expected] of cases) expect(format(input), String(input)).toBe(expected);
}

describe("numbers as people read them", () => {
  it("sizes keep three digits at most and change their unit before 1,000", () => {
    check(formatBytes, [
      [0, "0 B"],
      [999, "999 B"],
      [999_600, "1.0 MB"],
      [1_500, "1.5 kB"],
      [38_400_000, "38 MB"],
      [1_240_000_000, "1.2 GB"],
    ]);
  });

  it("durations name their units", () => {
    check(formatDuration, [
      [-5, "0 ms"],
      [840, "840 ms"],
      [2_400, "2.4 s"],
      [59_960, "1 min"],
      [185_000, "3 min 5 s"],
      [7_440_000, "2 h 4 min"],
      [90_000_000, "1 d 1 h"],
    ]);
  });

  it("moments are to come or past", () => {
    check((left: number) => formatMoment(1_000_000 + left, 1_000_000), [
      [604_799_000, "in 6 d"],
      [7_300_000, "in 2 h"],
      [61_000, "in 1 min"],
      [1_000, "in 1 s"],
      [999, "now"],
      [-60_000, "1 min ago"],
    ]);
  });

  it("ages forgive a clock that is ahead", () => {
    check((age: number) => formatAge(1_000_000 - age, 1_000_000), [
      [-5_000, "now"],
      [1_900, "now"],
      [12_000, "12 s ago"],
      [240_000, "4 min ago"],
      [11_000_000, "3 h ago"],
      [500_000_000, "5 d ago"],
    ]);
  });

  it("amounts take the unit that is shortest to read, and lose nothing silently", () => {
    check(formatWei, [
      ["0x0", "0"],
      ["0x1", "1 wei"],
      ["1000000000", "1 gwei"],
      ["0xde0b6b3a7640000", "1 ETH"],
      ["1500000000000000000000", "1,500 ETH"],
      ["2386000000000000", "0.0023 ETH"],
      ["not a number", "not a number"],
    ]);
  });

  it("hashes are shortened in the middle, short ones not at all", () => {
    check(shortenHash, [
      ["0x4f2a000000000000000000000000000000000000000000000000000000aa91bc", "0x4f2a…91bc"],
      ["0x4f2a91bc", "0x4f2a91bc"],
    ]);
  });
});
