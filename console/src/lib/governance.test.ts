import { describe, expect, it } from "vitest";
import { member, network, node, proposal, validator } from "../testing";
import {
  actors, approvalWords, endOf, seatCounts, seats, settleable, settlementWords, silent, stage, stageLabel, toleranceWords, voters, voteWords,
  validatorLabel, votingNote,
} from "./governance";

const members = [
  member({ id: 1, organization: "acme" }),
  member({ id: 2, organization: "beta" }),
  member({ id: 3, organization: "gamma", key_held: false }),
  member({ id: 4, organization: "delta", state: "suspended" }),
];
const names = (found: readonly { organization: string }[]) => found.map((one) => one.organization).join(" ");

describe("seats", () => {
  it("stand under their member, and an observer has the name of its node", () => {
    const validators = [validator({ id: 1 }), validator({ id: 2, member: { id: 2, organization: "beta" } })];
    const observers = ["aa", "bb"].map((node_key) => ({ node_key, member: { id: 2, organization: "beta" }, active: true, endpoint: "" }));
    const nodes = [node({ name: "validator-7", node_key: "bb" })];
    const found = seats(members.slice(0, 2), validators, observers, network({ nodes }).nodes);
    expect(found.map((one) => [one.validators.map(({ id }) => id), one.observers.map(({ name }) => name)])).toEqual([
      [[1], []],
      [[2], [null, "validator-7"]],
    ]);
    expect(seatCounts(found)).toBe("2 members, 2 validators, 2 observers");
    expect(seatCounts(found.slice(0, 1))).toBe("1 member, 1 validator");
  });

  it("say when a vote begins or ends later than its state", () => {
    const note = (change: Parameters<typeof validator>[0]) => votingNote(validator(change));
    expect(note({})).toBeNull();
    expect(note({ voting: null })).toBeNull();
    expect(note({ missing: { since_ms: 0, reason: "not connected" } })).toMatch(/^not connected, since .*1970/);
    expect(note({ voting: false })).toBe("votes from the next epoch on");
    expect(note({ state: "suspended", active: false })).toBe("votes until the epoch ends");
    expect(note({ state: "suspended", active: false, voting: false })).toBeNull();
    expect(note({ active: false, voting: false })).toBe("its member is suspended");
  });

  it("of a validator that the others miss, or that is silent, are marked, whatever was decided", () => {
    expect(validatorLabel(validator({ missing: { since_ms: 0, reason: "not connected" } })).word).toBe("Missing");
    expect(validatorLabel(validator({ silent: "its journal is lost" })).word).toBe("Silent");
    expect(validatorLabel(validator()).word).toBe("Active");
  });
});

describe("who may do something", () => {
  it("has a key here, is active, and has not voted", () => {
    expect(names(actors(members))).toBe("acme beta");
    expect(names(voters(members, proposal()))).toBe("beta");
    expect(names(silent(members, proposal()))).toBe("beta gamma delta");
  });
});

describe("a proposal", () => {
  it("expires by the clock, also where no block says so", () => {
    expect(stage(proposal(), 89_999)).toBe("in_progress");
    expect(stage(proposal(), 90_000)).toBe("expired");
    expect(stage(proposal({ state: "approved" }), 90_000)).toBe("approved");
    expect([endOf(proposal()), endOf(proposal({ settled_at_ms: 7 }))]).toEqual([90_000, 7]);
  });

  it("has a word and a shape for each state", () => {
    const states = ["in_progress", "approved", "rejected", "expired", "action_failed"] as const;
    expect(states.map((state) => stageLabel(state).word)).toEqual(["In progress", "Approved", "Rejected", "Expired", "Action failed"]);
  });

  it("is settled when it is over, or decided without a vote, once", () => {
    const decided = (votes_for: number, votes_against: number) => proposal({ tally: { ...proposal().tally, votes_for, votes_against } });
    expect(settleable(proposal(), 1)).toBe(false);
    expect(settleable(proposal(), 90_000)).toBe(true);
    expect(settleable(proposal({ state: "expired", settled_at_ms: 90_001 }), 91_000)).toBe(false);
    expect(settleable(decided(2, 0), 1)).toBe(true);
    expect(settleable(decided(0, 2), 1)).toBe(true);
    expect(settleable(proposal({ state: "approved", settled_at_ms: 5 }), 90_000)).toBe(false);
    expect(settlementWords(decided(2, 0), 1)).toContain("executed");
    expect(settlementWords(decided(0, 2), 1)).toContain("rejected");
    expect(settlementWords(decided(2, 0), 90_000)).toContain("expired");
  });
});

describe("votes in words", () => {
  it("say what one more does", () => {
    const { tally } = proposal();
    expect(voteWords(tally, "yes")).toBe("This vote suffices: the proposal is executed with it.");
    expect(voteWords({ ...tally, needed_for: 4 }, "yes")).toBe("It takes 2 more votes for it after this one.");
    expect(voteWords(tally, "no")).toBe("It takes 1 more vote against it after this one to reject it.");
    expect(voteWords({ ...tally, votes_against: 1 }, "no")).toBe("This vote suffices: the proposal is rejected with it.");
  });

  it("count what a proposal needs as the contract does", () => {
    const needed = (active: number, percent: number) => /(\d+) of/.exec(approvalWords(active, percent))?.[1] ?? "1";
    expect([[1, 50], [2, 50], [3, 50], [4, 50], [3, 67], [10, 99]].map(([active = 0, percent = 0]) => needed(active, percent))).toEqual(["1", "2", "2", "3", "3", "10"]);
  });

  it("count faults as BFT does", () => {
    expect(toleranceWords(4, 3)).toBe("3 validators vote then, and no fault is tolerated, instead of 1.");
    expect(toleranceWords(8, 7)).toBe("7 validators vote then, and 2 faults are tolerated.");
    expect(toleranceWords(1, 0)).toContain("No validator is left");
    expect(toleranceWords(2, 1)).toBe("1 validator votes then, and no fault is tolerated.");
  });
});
