import { describe, expect, it } from "vitest";
import { localText, parseLocal, parseSpan, spanText, spanWords } from "./time-span";

describe("a span", () => {
  it("is read as the command line reads it", () => {
    expect(["90s", "30m", "2h", "7d", " 7 d ", "0s"].map(parseSpan)).toEqual([90, 1800, 7200, 604_800, 604_800, 0]);
    for (const wrong of ["", "7", "d", "-1d", "1w", "1.5h", "99999999999999999999d"]) expect(parseSpan(wrong), wrong).toBeNull();
  });

  it("is written in the greatest unit that it is whole in", () => {
    expect([604_800, 7200, 5400, 61, 0].map(spanText)).toEqual(["7d", "2h", "90m", "61s", "0s"]);
    for (const seconds of [604_800, 7200, 5400, 61, 0]) expect(parseSpan(spanText(seconds))).toBe(seconds);
    expect([604_800, 3600, 61].map(spanWords)).toEqual(["7 days", "1 hour", "61 seconds"]);
  });
});

describe("a field for a moment", () => {
  it("holds the reader's own time", () => {
    const at = new Date(2027, 0, 31, 18, 5).getTime();
    expect(localText(at)).toBe("2027-01-31T18:05");
    expect(parseLocal(localText(at))).toBe(at);
    for (const wrong of ["", "tomorrow", "2027-13-01T00:00"]) expect(parseLocal(wrong), wrong).toBeNull();
  });
});
