// How events change what the pages hold. Pure. The stream may repeat an event and may run ahead of an
// answer that is still under way, so that an older object never replaces a newer one.
import type { BlockRef, Event, Network, Operation, OperationKind } from "../api/types";
import { answersQuestions } from "../lib/life";

export function readEvent(data: string): Event | null {
  try {
    const value: unknown = JSON.parse(data);
    return isEvent(value) ? value : null;
  } catch {
    return null;
  }
}

function isEvent(value: unknown): value is Event {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  switch (value.kind) {
    case "network":
      return "network" in value && typeof value.network === "object" && value.network !== null;
    case "network_gone":
      return "network" in value && typeof value.network === "string";
    case "operation":
      return "operation" in value && typeof value.operation === "object" && value.operation !== null;
    case "tip":
      return "network" in value && "tip" in value && typeof value.tip === "object" && value.tip !== null;
    default:
      // A newer platform says more than this console knows.
      return false;
  }
}

/** The newer of two states of one network; a final tip never goes back. */
export function newerNetwork(known: Network, arrived: Network): Network {
  const newer = arrived.resource_version >= known.resource_version ? arrived : known;
  const tip = higher(known.tip, arrived.tip);
  return tip === newer.tip ? newer : { ...newer, tip };
}

function higher(a: BlockRef | null | undefined, b: BlockRef | null | undefined): BlockRef | null | undefined {
  if (!a) return b;
  if (!b) return a;
  return a.number > b.number ? a : b;
}

export function applyToNetworks(networks: readonly Network[], event: Event): readonly Network[] {
  switch (event.kind) {
    case "network":
      return event.network.state === "gone" ? without(networks, event.network.id) : upsert(networks, event.network);
    case "network_gone":
      return without(networks, event.network);
    case "tip":
      return networks.map((network) =>
        network.id === event.network ? withTip(network, event.tip) : network,
      );
    case "operation":
      return networks;
  }
}

const DECIDING: readonly OperationKind[] = ["propose", "vote", "settle", "add_observer", "remove_observer", "recover"];

/** Whether members may have decided something, or nodes act by what they decided, as an event says at once. */
export function decides(known: readonly Network[], event: Event): boolean {
  switch (event.kind) {
    case "operation":
      return event.operation.state !== "running" && DECIDING.includes(event.operation.kind);
    case "network": {
      const { network } = event;
      const before = known.find((one) => one.id === network.id);
      return answers(network) && (before === undefined || seating(before) !== seating(network));
    }
    case "network_gone":
    case "tip":
      return false;
  }
}

/** Whether the organization may have something else after it: what it has comes and goes with operations. */
export function changesHoldings(event: Event): boolean {
  return event.kind === "operation" || event.kind === "network_gone";
}

/** The id of the network that an event is about. */
export function networkOf(event: Event): string {
  switch (event.kind) {
    case "operation":
      return event.operation.network;
    case "network":
      return event.network.id;
    case "network_gone":
    case "tip":
      return event.network;
  }
}

/** Who does not run cannot be asked. */
function answers(network: Network): boolean {
  return answersQuestions(network) && network.health !== "unavailable";
}

/** What of a network comes of its members' decisions, and of whether it can be asked for them. */
function seating(network: Network): string {
  const { voting_validators, nodes } = network;
  return JSON.stringify([answers(network), voting_validators ?? null, nodes.map((node) => [node.id, node.role, node.voting ?? null, node.node_key ?? null])]);
}

function withTip(network: Network, tip: BlockRef): Network {
  const best = higher(network.tip, tip);
  return best === network.tip ? network : { ...network, tip: best };
}

function without(networks: readonly Network[], id: string): readonly Network[] {
  return networks.some((network) => network.id === id) ? networks.filter((network) => network.id !== id) : networks;
}

function upsert(networks: readonly Network[], arrived: Network): readonly Network[] {
  if (!networks.some((network) => network.id === arrived.id)) return [...networks, arrived];
  return networks.map((network) => (network.id === arrived.id ? newerNetwork(network, arrived) : network));
}

/** A fetched list, brought up to date with what events had said in the meantime. */
export function mergeNetworks(
  known: readonly Network[],
  fetched: readonly Network[],
  gone: ReadonlySet<string>,
): readonly Network[] {
  const before = new Map(known.map((network) => [network.id, network]));
  return fetched
    .filter((network) => !gone.has(network.id) && network.state !== "gone")
    .map((network) => {
      const held = before.get(network.id);
      return held ? newerNetwork(held, network) : network;
    });
}

/** The newer of two states of one operation: it only ever goes forward. */
export function newerOperation(known: Operation, arrived: Operation): Operation {
  return progress(arrived) >= progress(known) ? arrived : known;
}

function progress(operation: Operation): number {
  if (operation.state !== "running") return Number.MAX_SAFE_INTEGER;
  const weight = { pending: 0, running: 1, done: 2 } as const;
  return operation.steps.reduce((sum, step) => sum + weight[step.state], 0);
}

/** Operations, newest first. */
export function upsertOperation(operations: readonly Operation[], arrived: Operation): readonly Operation[] {
  if (!operations.some((operation) => operation.id === arrived.id)) {
    return [arrived, ...operations].sort((a, b) => b.created_at_ms - a.created_at_ms);
  }
  return operations.map((operation) => (operation.id === arrived.id ? newerOperation(operation, arrived) : operation));
}
