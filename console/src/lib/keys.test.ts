import { describe, expect, it } from "vitest";
import { createCommand, limit, nameError, rateWords, revokeCommand, rotateCommand } from "./keys";

describe("keys", () => {
  it("says what a key may", () => {
    expect(rateWords({ rate: 0, burst: 0 })).toBe("No limit");
    expect(rateWords({ rate: 50, burst: 200 })).toBe("50 a second, 200 at once");
  });

  it.each([
    ["", { number: 0 }],
    [" 50 ", { number: 50 }],
    ["1000000", { number: 1_000_000 }],
  ])("takes %j as a limit", (text, expected) => expect(limit(text)).toEqual(expected));

  it.each(["-1", "1.5", "many", "1000001"])("refuses %j as a limit", (text) => expect(limit(text)).toHaveProperty("error"));

  it.each([
    ["", undefined],
    ["ci-2", undefined],
    ["Ci", "a–z, 0–9 and -, beginning with a letter"],
    ["ci-", "a–z, 0–9 and -, beginning with a letter"],
    ["default", "There is a key of this name"],
    ["a".repeat(41), "At most 40 characters"],
  ])("says of the name %j: %j", (name, expected) => expect(nameError(name, ["default"])).toBe(expected));

  it("gives the command that does the same", () => {
    expect(createCommand("trade", { name: "", scope: "read", rate: 0, burst: 0 })).toBe("windlass network key create trade NAME");
    expect(createCommand("trade", { name: "ci", scope: "send", rate: 5, burst: 20 })).toBe(
      "windlass network key create trade ci --scope send --rate 5 --burst 20",
    );
    expect(rotateCommand("trade", "ci", 0)).toBe("windlass network key rotate trade ci");
    expect(rotateCommand("trade", "ci", 3600)).toBe("windlass network key rotate trade ci --overlap 3600");
    expect(revokeCommand("trade", "ci")).toBe("windlass network key revoke trade ci");
  });
});
