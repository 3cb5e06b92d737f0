import { describe, expect, it } from "vitest";
import type { Network } from "../api/types";
import { network } from "../testing";
import { answersQuestions, asOfWords, lifeCommand, revival, silence, sleepsAfter, verbsOf } from "./life";

const STATES: readonly Network["state"][] = [
  "declared", "creating", "usable", "stopping", "sleeping", "stopped", "starting", "destroying", "gone",
];

describe("a network's life", () => {
  it("offers what its state allows, and one way back", () => {
    const offered = STATES.flatMap((state) => verbsOf({ state }).map((verb) => `${state}: ${verb}`));
    expect(offered).toEqual(["usable: sleep", "usable: stop", "sleeping: wake", "sleeping: stop", "stopped: start"]);
    expect((["usable", "sleeping", "stopped", "starting"] as const).map((state) => revival({ state }))).toEqual([null, "wake", "start", null]);
    expect(lifeCommand("wake", "trade")).toBe("windlass network wake trade");
  });

  it("asks the nodes only of a network that is to run and does", () => {
    expect(STATES.filter((state) => answersQuestions(network({ state })))).toEqual(["usable"]);
    expect(answersQuestions(network({ intent: "sleeping" }))).toBe(false);
    expect(answersQuestions(network({ intent: "stopped" }))).toBe(false);
  });

  it("says why they are not asked", () => {
    expect(silence(network({ state: "sleeping" }))).toBe("trade sleeps, and looking at it does not wake it.");
    expect(silence(network({ state: "stopped" }))).toBe("trade is stopped: none of its nodes can be asked.");
    expect(silence(network({ state: "starting" }))).toContain("not usable at the moment");
    expect(asOfWords({ state: "sleeping" })).toBe("as of when it fell asleep");
    expect(asOfWords({ state: "starting" })).toBe("as of when it last ran");
  });

  it("counts the time without a request", () => {
    expect(sleepsAfter({ sleep_after_s: 1800 })).toBe("after 30 min without a request");
    expect(sleepsAfter({ sleep_after_s: 0 })).toBeNull();
    expect(sleepsAfter({})).toBeNull();
  });
});
