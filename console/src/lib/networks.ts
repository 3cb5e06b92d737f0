// What the console says about a network: its state in one word, why in one line, and how a list of
// networks is filtered and sorted. Pure.
import type { Network, NodeRole, NodeState, Operation, OperationKind, OperationState } from "../api/types";
import { capitalise, plural } from "./format";
import { endWords, isOver } from "./ending";
import { sleepsAfter } from "./life";

/** How a state looks. The word always stands beside it. */
export type Tone = "good" | "busy" | "open" | "warn" | "bad" | "asleep" | "off";

export interface StateLabel {
  tone: Tone;
  word: string;
}

/** Its state in a word. */
export function stateLabel(network: Pick<Network, "state" | "intent" | "health" | "operation_kind">): StateLabel {
  switch (network.state) {
    case "usable":
      return usableLabel(network.health);
    case "sleeping":
      return { tone: "asleep", word: "Asleep" };
    case "stopped":
    case "gone":
      return { tone: "off", word: capitalise(network.state) };
    case "stopping":
      return { tone: "busy", word: network.intent === "sleeping" ? "Falling asleep" : "Stopping" };
    case "starting":
      return { tone: "busy", word: network.operation_kind === "wake" ? "Waking" : "Starting" };
    case "declared":
    case "creating":
    case "destroying":
      return { tone: "busy", word: capitalise(network.state) };
  }
}

function usableLabel(health: Network["health"]): StateLabel {
  switch (health) {
    case "degraded":
      return { tone: "warn", word: "Degraded" };
    case "unavailable":
      return { tone: "bad", word: "Unavailable" };
    case "healthy":
      return { tone: "good", word: "Usable" };
    case "unknown":
      return { tone: "warn", word: "Not heard from" };
  }
}

export function nodeLabel(state: NodeState): StateLabel {
  const tones: Record<NodeState, Tone> = {
    declared: "off",
    starting: "busy",
    running: "good",
    unresponsive: "bad",
    stopped: "off",
    failed: "bad",
  };
  return { tone: tones[state], word: capitalise(state) };
}

export function operationLabel(state: OperationState): StateLabel {
  const tones: Record<OperationState, Tone> = {
    running: "busy",
    succeeded: "good",
    failed: "bad",
    superseded: "off",
  };
  return { tone: tones[state], word: capitalise(state) };
}

/** What an operation is called beside its network's name: `Add nodes`. */
export function operationWord(kind: OperationKind): string {
  return capitalise(kind.replaceAll("_", " "));
}

/** `Create trade`, but `Vote in trade`. */
export function operationTitle({ kind, network_name: name }: Pick<Operation, "kind" | "network_name">): string {
  const whole = ["create", "stop", "start", "sleep", "wake", "destroy", "update", "recover"].includes(kind);
  return `${operationWord(kind)} ${whole ? name : `in ${name}`}`;
}

/** How many validators may fail or lie without harm. */
export function toleratedFaults(validators: number): number {
  return Math.floor(Math.max(0, validators - 1) / 3);
}

/** How many validators vote, as the nodes say; otherwise how many were declared. */
export function validatorCount(network: Pick<Network, "spec"> & Partial<Pick<Network, "voting_validators">>): number {
  return network.voting_validators ?? declaredValidators(network);
}

function declaredValidators(network: Pick<Network, "spec">): number {
  return network.spec.members.reduce((sum, member) => sum + member.validators, 0);
}

/** What a node is to the members, where it is no validator. */
export function roleLabel(role: NodeRole): string | null {
  switch (role) {
    case "validator":
      return null;
    case "suspended":
      return "suspended validator";
    case "observer":
      return "follows";
    case "unnamed":
      return "not named by a member";
  }
}

export function runningNodes(network: Pick<Network, "nodes">): number {
  return network.nodes.filter((node) => node.state === "running").length;
}

/** Resident memory of all its nodes, or null while none has reported. */
export function memoryBytes(network: Pick<Network, "nodes">): number | null {
  const known = network.nodes.flatMap((node) => node.resident_bytes ?? []);
  return known.length === 0 ? null : known.reduce((sum, bytes) => sum + bytes, 0);
}

export interface Why {
  message: string;
  remedy?: string;
}

/** Why the network is as it is, in one line. The platform's own reason goes first. */
export function why(network: Network): Why {
  // The end has a notice of its own, with its times as people read them.
  if (isOver(network) && network.state === "stopped") return { message: "Its time is over: nothing runs, and everything is kept until it is destroyed." };
  if (network.reason) return { message: network.reason.message, remedy: network.reason.remedy };
  const validators = validatorCount(network);
  switch (network.state) {
    case "usable":
      return { message: usableWhy(network, validators), ...sleepNote(network) };
    case "sleeping":
      return { message: "It sleeps; the next request to its URL wakes it.", remedy: "Data, keys and ports are kept." };
    case "stopped":
      return { message: "No process runs. Data, keys, ports and the endpoint's URL are kept." };
    case "declared":
      return { message: "Written down; the platform is about to begin." };
    case "creating":
      return { message: "On its way to the first final block." };
    case "starting":
      return { message: "Its processes are coming back with the same data, keys and URL." };
    case "stopping":
      return network.intent === "sleeping"
        ? { message: "What is under way is finished, then its processes end.", remedy: "The next request to its URL wakes it." }
        : { message: "Its processes are ending; everything else is kept." };
    case "destroying":
      return { message: "Everything that it had is being released and verified gone." };
    case "gone":
      return { message: "Everything that it had is verified gone." };
  }
}

/** One that is not well stays awake. */
function sleepNote({ health, spec }: Network): Pick<Why, "remedy"> {
  const after = sleepsAfter(spec);
  return after === null || health === "degraded" || health === "unavailable" ? {} : { remedy: `Falls asleep ${after}.` };
}

function usableWhy(network: Network, validators: number): string {
  const running = runningNodes(network);
  const faults = toleratedFaults(validators);
  if (network.health === "unavailable") {
    return `${running} of ${plural(validators, "validator")} run: that is no quorum, and no block is made.`;
  }
  if (network.health === "degraded") {
    return `${running} of ${plural(validators, "validator")} run; a quorum is there and blocks go on.`;
  }
  if (validators === 1) return "One validator finalises alone; it tolerates no fault.";
  const tolerance = faults === 0 ? "no fault is tolerated" : `${plural(faults, "fault")} ${faults === 1 ? "is" : "are"} tolerated`;
  return `All ${plural(validators, "validator")} finalise; ${tolerance}.`;
}

/** A message of the API as a sentence: upper case first, a full stop last. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return trimmed;
  return capitalise(trimmed) + (/[.!?…]$/.test(trimmed) ? "" : ".");
}

export const SORT_KEYS = ["name", "state", "height", "nodes", "memory", "created"] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export type Direction = "asc" | "desc";
export interface Sort {
  key: SortKey;
  direction: Direction;
}

export const DEFAULT_SORT: Sort = { key: "created", direction: "desc" };

/** Reads `height`, `-height`; anything else is the default. */
export function parseSort(text: string | null): Sort {
  const direction: Direction = text?.startsWith("-") ? "desc" : "asc";
  const key = SORT_KEYS.find((candidate) => candidate === text?.replace(/^-/, ""));
  return key ? { key, direction } : DEFAULT_SORT;
}

export function formatSort(sort: Sort): string {
  return sort.direction === "desc" ? `-${sort.key}` : sort.key;
}

/** The sort after a click on a column: words rise first, numbers fall first, a second click turns. */
export function toggleSort(current: Sort, key: SortKey): Sort {
  if (current.key === key) return { key, direction: current.direction === "asc" ? "desc" : "asc" };
  return { key, direction: key === "name" || key === "state" ? "asc" : "desc" };
}

const TONE_ORDER: Record<Tone, number> = { bad: 0, warn: 1, busy: 2, open: 3, good: 4, asleep: 5, off: 6 };

function sortValue(network: Network, key: SortKey): number | string {
  switch (key) {
    case "name":
      return network.name;
    case "state":
      return TONE_ORDER[stateLabel(network).tone];
    case "height":
      return network.tip?.number ?? -1;
    case "nodes":
      return validatorCount(network);
    case "memory":
      return memoryBytes(network) ?? -1;
    case "created":
      return network.created_at_ms;
  }
}

export function sortNetworks(networks: readonly Network[], sort: Sort): Network[] {
  const sign = sort.direction === "asc" ? 1 : -1;
  return [...networks].sort((a, b) => {
    const [left, right] = [sortValue(a, sort.key), sortValue(b, sort.key)];
    if (left === right) return a.name.localeCompare(b.name);
    return left < right ? -sign : sign;
  });
}

/** Every word of the filter must occur in the name, the id, the state, its end, the endpoint or the chain id. */
export function filterNetworks(networks: readonly Network[], filter: string): Network[] {
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return networks.filter((network) => {
    const { word } = stateLabel(network);
    const text = [network.name, network.id, word, endWords(network), network.endpoint ?? "", String(network.spec.chain_id)]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
