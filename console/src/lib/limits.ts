// What a node may have, in words, and how much of it each node has. Pure.
import type { Network, NetworkSpec, Node } from "../api/types";
import { type Fill, fillOf, formatMib } from "./budget";
import { formatNumber } from "./format";

type Limits = NetworkSpec["node_limits"];

/** What holds unless a spec says otherwise. */
const MEMORY_MIB = 512;
const DISK_MIB = 10_240;
const MIB = 1_048_576;

export function memoryMib({ memory_mib }: Limits): number {
  return memory_mib ?? MEMORY_MIB;
}

/** Null is no limit. */
export function diskMib({ disk_mib = DISK_MIB }: Limits): number | null {
  return disk_mib === 0 ? null : disk_mib;
}

export function memoryLimit(limits: Limits): string {
  return formatMib(memoryMib(limits));
}

export function diskLimit(limits: Limits): string {
  const mib = diskMib(limits);
  return mib === null ? "none" : formatMib(mib);
}

export function processorLimit({ cpu_millis: millis }: Limits): string {
  return millis ? `${formatNumber(millis / 1000)} ${millis === 1000 ? "core" : "cores"}` : "none";
}

/** All three in one sentence. */
export function limitWords(limits: Limits): string {
  const disk = diskMib(limits);
  const parts = [
    `${memoryLimit(limits)} of memory`,
    disk === null ? "the disk without a limit" : `${formatMib(disk)} on disk`,
    limits.cpu_millis ? `processor time of ${processorLimit(limits)}` : "processor time without a limit",
  ];
  return `A node may have ${parts.join(", ")}.`;
}

/** What is had of a limit; `of` is null where there is none. */
export interface Share {
  mib: number;
  of: number | null;
  fill: Fill;
  words: string;
}

function share(bytes: number | null | undefined, of: number | null): Share | null {
  if (bytes == null) return null;
  const mib = bytes / MIB;
  const words = of === null ? formatMib(mib) : `${formatMib(mib)} of ${formatMib(of)}`;
  return { mib, of, fill: of === null ? "calm" : fillOf(mib, of), words };
}

export interface NodeShares {
  name: string;
  memory: Share | null;
  disk: Share | null;
}

function shares(node: Node, limits: Limits): NodeShares {
  return { name: node.name, memory: share(node.resident_bytes, memoryMib(limits)), disk: share(node.disk_bytes, diskMib(limits)) };
}

function fullest({ memory, disk }: NodeShares): number {
  return Math.max(0, ...[memory, disk].map((one) => (one?.of ? one.mib / one.of : 0)));
}

/** Of each node what it has of its limits; who has the most first, where there are too many to look at. */
export function nodeShares({ nodes, spec }: Pick<Network, "nodes" | "spec">, most: number): NodeShares[] {
  const all = nodes.map((node) => shares(node, spec.node_limits));
  return all.length <= most ? all : all.sort((a, b) => fullest(b) - fullest(a)).slice(0, most);
}

/** What follows for nodes that have as much on disk as they may, or nearly so. */
export function diskWarning({ nodes, spec }: Pick<Network, "nodes" | "spec">): { fill: Fill; words: string } | null {
  const limit = diskMib(spec.node_limits);
  if (limit === null) return null;
  const named = (fill: Fill) => nodes.filter(({ disk_bytes }) => disk_bytes != null && fillOf(disk_bytes / MIB, limit) === fill).map(({ name }) => name);
  const [full, near] = [named("full"), named("near")];
  const remedy = "Give the network a greater `node_limits.disk_mib`: `windlass apply` changes it while it runs.";
  if (full.length > 0) return { fill: "full", words: `${full.join(", ")}: the disk limit is reached, and transactions of clients are refused. ${remedy}` };
  return near.length > 0 ? { fill: "near", words: `${near.join(", ")}: nine tenths of the disk limit are used. ${remedy}` } : null;
}
