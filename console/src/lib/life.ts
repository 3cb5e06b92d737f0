// What can be done with a network that lives: it runs, sleeps until a request wakes it, or is stopped
// until it is started. Pure.
import type { Network, NetworkSpec } from "../api/types";
import { type Ending, isOver } from "./ending";
import { formatDuration } from "./format";

type Living = Pick<Network, "state"> & Ending;
export type Verb = "stop" | "start" | "sleep" | "wake";

/** The actions that its state offers, the likelier first. One whose time is over is extended, not started. */
export function verbsOf(network: Living): readonly Verb[] {
  switch (network.state) {
    case "usable":
      return ["sleep", "stop"];
    case "sleeping":
      return ["wake", "stop"];
    case "stopped":
      return isOver(network) ? [] : ["start"];
    case "declared":
    case "creating":
    case "starting":
    case "stopping":
    case "destroying":
    case "gone":
      return [];
  }
}

/** The command that brings it back, or shows it where none does. */
export function revivalCommand(network: Living & Pick<Network, "name">): string {
  const verb = revival(network);
  if (verb !== null) return lifeCommand(verb, network.name);
  return isOver(network) ? `windlass network extend ${network.name} --by 1d` : `windlass network show ${network.name}`;
}

/** The action that brings it back, where it waits for one. */
export function revival(network: Living): Verb | null {
  return verbsOf(network).find((verb) => verb === "start" || verb === "wake") ?? null;
}

export function lifeCommand(verb: Verb, name: string): string {
  return `windlass network ${verb} ${name}`;
}

/** What is said when it was asked for: `Waking trade`. */
export function askedWords(verb: Verb, name: string): string {
  switch (verb) {
    case "stop":
      return `Stopping ${name}`;
    case "start":
      return `Starting ${name}`;
    case "sleep":
      return `${name} falls asleep`;
    case "wake":
      return `Waking ${name}`;
  }
}

/** Whether its nodes can be asked. What they answered before stays. */
export function answersQuestions(network: Pick<Network, "state" | "intent">): boolean {
  return network.state === "usable" && network.intent === "running";
}

/** Why a network's nodes are not asked, in one line. */
export function silence({ name, state }: Pick<Network, "name" | "state">): string {
  switch (state) {
    case "sleeping":
      return `${name} sleeps, and looking at it does not wake it.`;
    case "stopped":
      return `${name} is stopped: none of its nodes can be asked.`;
    case "usable":
    case "declared":
    case "creating":
    case "starting":
    case "stopping":
    case "destroying":
    case "gone":
      return `${name} is not usable at the moment: none of its nodes can be asked.`;
  }
}

/** Of when that is which was read before. */
export function asOfWords({ state }: Pick<Network, "state">): string {
  return state === "sleeping" ? "as of when it fell asleep" : "as of when it last ran";
}

/** `after 30 min without a request`, or null where it never falls asleep. */
export function sleepsAfter({ sleep_after_s: seconds }: Pick<NetworkSpec, "sleep_after_s">): string | null {
  return seconds ? `after ${formatDuration(seconds * 1000)} without a request` : null;
}
