// What an organization may have and has: each limit with its words, and the command that changes it. Pure.
import type { OrganizationBudget, Quota } from "../api/types";
import { formatNumber } from "./format";
import { parseSpan, SPAN_WANTED, spanText, spanWords } from "./time-span";

/** `312 MiB`, `1.2 GiB`: in the units that limits are said in. */
export function formatMib(mib: number): string {
  if (mib > 0 && mib < 0.5) return "< 1 MiB";
  if (mib < 1023.5) return `${formatNumber(Math.round(mib))} MiB`;
  const gib = mib / 1024;
  return `${gib.toLocaleString("en-US", { maximumFractionDigits: gib < 99.5 ? 1 : 0 })} GiB`;
}

export type Fill = "calm" | "near" | "full";

/** How much of a limit is held: near from nine tenths on, full where nothing is left. */
export function fillOf(held: number, limit: number): Fill {
  if (held >= limit) return "full";
  return held >= limit * 0.9 ? "near" : "calm";
}

export interface Holding {
  /** The field of the quota, and of what is held. */
  field: "networks" | "nodes" | "memory_mib" | "disk_mib";
  name: string;
  held: number;
  heldText: string;
  /** Null is no limit. */
  limit: number | null;
  limitText: string;
  fill: Fill;
  /** What is left, or what nothing left means. */
  words: string;
}

/** What follows when nothing is left. The disk is not asked for in advance: only what is above it refuses. */
const NOTHING_LEFT: Record<Holding["field"], string> = {
  networks: "another network is refused.",
  nodes: "another node is refused.",
  memory_mib: "nothing more is created or started.",
  disk_mib: "above it, nothing more is created or started.",
};
const ABOVE: Record<Holding["field"], string> = {
  networks: "no network more is created.",
  nodes: "no node more is created.",
  memory_mib: "nothing more is created or started.",
  disk_mib: "nothing more is created or started.",
};

function holding(field: Holding["field"], name: string, held: number, limit: number | null | undefined): Holding {
  const text = (amount: number) => (field === "memory_mib" || field === "disk_mib" ? formatMib(amount) : formatNumber(amount));
  const bound = limit ?? null;
  const fill = bound === null ? "calm" : fillOf(held, bound);
  return {
    field,
    name,
    held,
    heldText: text(held),
    limit: bound,
    limitText: bound === null ? "no limit" : text(bound),
    fill,
    words: bound === null ? unlimitedWords(field) : leftWords(field, bound - held, text),
  };
}

function unlimitedWords(field: Holding["field"]): string {
  return field === "memory_mib" ? "Limited by the machine alone." : "Not limited.";
}

function leftWords(field: Holding["field"], left: number, text: (amount: number) => string): string {
  if (left > 0) return `${text(left)} left.`;
  return left === 0 ? `Nothing left: ${NOTHING_LEFT[field]}` : `${text(-left)} above it: what is there stays, and ${ABOVE[field]}`;
}

export function holdings({ quota, used }: OrganizationBudget): Holding[] {
  return [
    holding("networks", "Networks", used.networks, quota.networks),
    holding("nodes", "Nodes", used.nodes, quota.nodes),
    holding("memory_mib", "Memory of what runs", used.memory_mib, quota.memory_mib),
    holding("disk_mib", "Disk of all nodes", used.disk_mib, quota.disk_mib),
  ];
}

/** How long a network may live. */
export function lifeWords({ longest_ttl_s: seconds }: Pick<Quota, "longest_ttl_s">): string {
  return seconds == null
    ? "Not limited: a network may live without an end."
    : `${spanWords(seconds)} at most; a network that asks for no end gets that one.`;
}

/** How many requests the organization may make. */
export function rateWords({ requests_per_s: rate }: Pick<Quota, "requests_per_s">): string {
  return rate == null
    ? "Not limited, but by the rates of keys."
    : `${formatNumber(rate)} a second at all endpoints together, each call of a batch being one; more is refused with status 429.`;
}

export type QuotaForm = Record<keyof Quota, string>;

/** The quota as fields; an empty one is no limit. */
export function quotaForm({ networks, nodes, memory_mib, disk_mib, longest_ttl_s, requests_per_s }: Quota): QuotaForm {
  const text = (limit: number | null | undefined) => (limit == null ? "" : String(limit));
  return {
    networks: text(networks),
    nodes: text(nodes),
    memory_mib: text(memory_mib),
    disk_mib: text(disk_mib),
    longest_ttl_s: longest_ttl_s == null ? "" : spanText(longest_ttl_s),
    requests_per_s: text(requests_per_s),
  };
}

const FLAGS: Record<keyof Quota, string> = {
  networks: "networks",
  nodes: "nodes",
  memory_mib: "memory",
  disk_mib: "disk",
  longest_ttl_s: "longest-ttl",
  requests_per_s: "requests",
};

export const QUOTA_FIELDS = Object.keys(FLAGS) as (keyof Quota)[];

/** What is wrong with a field, if anything is. */
export function quotaError(field: keyof Quota, text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  if (field === "longest_ttl_s") return parseSpan(trimmed) === null ? SPAN_WANTED : undefined;
  if (field === "requests_per_s" && Number(trimmed) === 0) return "At least 1, or nothing for no limit.";
  return /^\d{1,15}$/.test(trimmed) ? undefined : "A whole number, or nothing for no limit.";
}

/** The command that makes the quota be what the fields say; null where they say what it is, or what cannot be read. */
export function quotaCommand(before: Quota, form: QuotaForm): string | null {
  const is = quotaForm(before);
  const changed = QUOTA_FIELDS.filter((field) => form[field].trim() !== is[field]);
  if (changed.length === 0 || changed.some((field) => quotaError(field, form[field]) !== undefined)) return null;
  const limits = changed.map((field) => `--${FLAGS[field]} ${form[field].trim().replaceAll(/\s/g, "") || "none"}`);
  return ["windlass quota set", ...limits].join(" ");
}
