// What the console says about members and their proposals: who is there, how votes stand, and who may
// still vote. Pure: the clock is an argument.
import type {
  Network, NetworkMember, NetworkObserver, NetworkValidator, Proposal, SeatState, Tally, Voice,
} from "../api/types";
import { capitalise, formatAbsolute, plural } from "./format";
import { type StateLabel, toleratedFaults, type Tone } from "./networks";

export function seatLabel(state: SeatState): StateLabel {
  const tones: Record<SeatState, Tone> = { active: "good", suspended: "warn", removed: "off" };
  return { tone: tones[state], word: capitalise(state) };
}

/** What was decided about a validator, unless the others miss it. */
export function validatorLabel(validator: Pick<NetworkValidator, "missing" | "silent" | "state">): StateLabel {
  // What it says itself tells more than that others miss it.
  if (validator.silent) return { tone: "warn", word: "Silent" };
  return validator.missing ? { tone: "bad", word: "Missing" } : seatLabel(validator.state);
}

/** What its label does not say of a validator's vote, or null. */
export function votingNote(validator: Pick<NetworkValidator, "active" | "missing" | "silent" | "voting" | "state">): string | null {
  if (validator.silent) return validator.silent;
  if (validator.missing) return `${validator.missing.reason}, since ${formatAbsolute(validator.missing.since_ms)}`;
  if (validator.active) return validator.voting === false ? "votes from the next epoch on" : null;
  if (validator.voting === true) return "votes until the epoch ends";
  return validator.state === "active" ? "its member is suspended" : null;
}

export interface ObserverSeat extends NetworkObserver {
  /** Its name, if it is a node of this platform. */
  name: string | null;
}

export interface Seats {
  member: NetworkMember;
  validators: readonly NetworkValidator[];
  observers: readonly ObserverSeat[];
}

/** Each member with the nodes that it answers for. */
export function seats(
  members: readonly NetworkMember[],
  validators: readonly NetworkValidator[],
  observers: readonly NetworkObserver[],
  nodes: Network["nodes"],
): Seats[] {
  const names = new Map(nodes.map((node) => [node.node_key, node.name]));
  return members.map((member) => ({
    member,
    validators: validators.filter((validator) => validator.member.id === member.id),
    observers: observers
      .filter((observer) => observer.member.id === member.id)
      .map((observer) => ({ ...observer, name: names.get(observer.node_key) ?? null })),
  }));
}

/** `3 members, 7 validators, 1 observer` */
export function seatCounts(all: readonly Seats[]): string {
  const validators = all.reduce((sum, one) => sum + one.validators.length, 0);
  const observers = all.reduce((sum, one) => sum + one.observers.length, 0);
  const counts = [plural(all.length, "member"), plural(validators, "validator")];
  return [...counts, ...(observers > 0 ? [plural(observers, "observer")] : [])].join(", ");
}

/** Those for whom this platform can propose and vote. */
export function actors(members: readonly NetworkMember[]): NetworkMember[] {
  return members.filter((member) => member.key_held && member.state === "active");
}

/** Those of them who have not voted on it. */
export function voters(members: readonly NetworkMember[], proposal: Proposal): NetworkMember[] {
  return silent(actors(members), proposal);
}

/** Members that have not voted on it. */
export function silent(members: readonly NetworkMember[], proposal: Proposal): NetworkMember[] {
  const voted = new Set(proposal.votes.map((vote) => vote.member.id));
  return members.filter((member) => !voted.has(member.id));
}

export type Stage = Proposal["state"];

/** Where it is: no event tells that its time is over, so the reader's clock does. */
export function stage(proposal: Pick<Proposal, "state" | "expires_at_ms">, nowMs: number): Stage {
  return proposal.state === "in_progress" && proposal.expires_at_ms <= nowMs ? "expired" : proposal.state;
}

export function stageLabel(stage: Stage): StateLabel {
  const tones: Record<Stage, Tone> = {
    in_progress: "open",
    approved: "good",
    rejected: "off",
    expired: "off",
    action_failed: "bad",
  };
  return { tone: tones[stage], word: capitalise(stage.replace("_", " ")) };
}

/** When it came to its end, or will. */
export function endOf(proposal: Pick<Proposal, "settled_at_ms" | "expires_at_ms">): number {
  return proposal.settled_at_ms ?? proposal.expires_at_ms;
}

/** Whether any member may write down what its votes or its time have decided, and no block says so yet. */
export function settleable(proposal: Proposal, nowMs: number): boolean {
  if (proposal.settled_at_ms != null) return false;
  const now = stage(proposal, nowMs);
  return now === "expired" || (now === "in_progress" && decided(proposal.tally) !== null);
}

function decided(tally: Tally): Voice | null {
  if (tally.votes_for >= tally.needed_for) return "yes";
  return tally.votes_against >= tally.needed_against ? "no" : null;
}

/** What settling it does, as its votes stand. */
export function settlementWords(proposal: Proposal, nowMs: number): string {
  if (stage(proposal, nowMs) === "expired") return "Its time is over: that it has expired is written down, and nothing is changed.";
  return decided(proposal.tally) === "yes"
    ? "Its votes suffice since members or thresholds changed: it is executed."
    : "The votes against it suffice since members or thresholds changed: it is rejected.";
}

/** What one more vote does. */
export function voteWords(tally: Tally, voice: Voice): string {
  const [cast, needed] =
    voice === "yes" ? [tally.votes_for + 1, tally.needed_for] : [tally.votes_against + 1, tally.needed_against];
  if (cast >= needed) return voice === "yes" ? "This vote suffices: the proposal is executed with it." : "This vote suffices: the proposal is rejected with it.";
  const more = plural(needed - cast, "more vote");
  return voice === "yes" ? `It takes ${more} for it after this one.` : `It takes ${more} against it after this one to reject it.`;
}

/** What a proposal takes, of so many active members. */
export function approvalWords(active: number, percent: number): string {
  const needed = Math.floor((percent * active) / 100) + 1;
  if (needed <= 1) return "The proposal is its member's vote for it, and that suffices: it is executed at once.";
  return `The proposal is its member's vote for it; it is executed when ${needed} of ${plural(active, "active member")} are for it.`;
}

/** `4 validators vote then, and 1 fault is tolerated.` */
export function toleranceWords(before: number, after: number): string {
  if (after === 0) return "No validator is left to vote then: that fails when it is executed.";
  const faults = toleratedFaults(after);
  const then = `${plural(after, "validator")} ${after === 1 ? "votes" : "vote"} then`;
  const tolerated = faults === 0 ? "no fault is tolerated" : `${plural(faults, "fault")} ${faults === 1 ? "is" : "are"} tolerated`;
  const was = toleratedFaults(before);
  return `${then}, and ${tolerated}${was === faults ? "" : `, instead of ${was}`}.`;
}
