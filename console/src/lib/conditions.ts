// What is wrong with a network, from its conditions: in the platform's words. Pure.
import type { Condition, Network } from "../api/types";
import type { StateLabel } from "./networks";

const RANK: Record<Condition["gravity"], number> = { none: 0, warning: 1, critical: 2 };

/** What is wrong, the gravest first; what several say of the same nodes for the same cause once, as the platform does. */
export function findings(conditions: readonly Condition[] | undefined): Condition[] {
  const wrong = (conditions ?? []).filter((one) => one.gravity !== "none").sort((a, b) => RANK[b.gravity] - RANK[a.gravity]);
  const about = (one: Condition) => [one.reason, ...(one.nodes ?? [])].join(" ");
  return wrong.filter((one, index) => wrong.findIndex((other) => about(other) === about(one)) === index);
}

/** The type as words: `Nodes running`. */
export function conditionWords(type: Condition["type"]): string {
  const [first = "", ...rest] = type.replace(/([a-z])([A-Z])/g, "$1 $2").split(" ");
  return [first, ...rest.map((word) => word.toLowerCase())].join(" ");
}

export function gravityLabel(gravity: Condition["gravity"]): StateLabel {
  switch (gravity) {
    case "critical":
      return { tone: "bad", word: "Critical" };
    case "warning":
      return { tone: "warn", word: "Warning" };
    case "none":
      return { tone: "good", word: "Well" };
  }
}

/** Whose fault it is, with the nodes that it is about. */
export function faultWords({ fault, nodes }: Pick<Condition, "fault" | "nodes">): string | null {
  const whose = { node: "the node", machine: "the machine", network: "the network between the nodes", operator: "whoever runs this platform", member: "another member" };
  if (fault == null) return null;
  return nodes === undefined || nodes.length === 0 ? whose[fault] : `${whose[fault]} (${nodes.join(", ")})`;
}

/** Whether anybody can be asked. */
export function canBeExamined({ state }: Pick<Network, "state">): boolean {
  return state !== "gone" && state !== "destroying";
}
