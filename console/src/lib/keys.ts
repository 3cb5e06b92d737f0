// What is said of an endpoint's keys, and the commands that do what the dialogs do.
import type { EndpointKey } from "../api/types";
import { formatNumber } from "./format";

/** The key whose URL is the network's endpoint. */
export const DEFAULT_KEY = "default";

export const OVERLAPS: readonly { value: string; name: string }[] = [
  { value: "0", name: "At once" },
  { value: "3600", name: "After an hour" },
  { value: "86400", name: "After a day" },
  { value: "604800", name: "After seven days" },
];

export function scopeWords(key: Pick<EndpointKey, "scope">): string {
  return key.scope === "send" ? "Reads and sends" : "Reads only";
}

export function rateWords(key: Pick<EndpointKey, "rate" | "burst">): string {
  return key.rate === 0 ? "No limit" : `${formatNumber(key.rate)} a second, ${formatNumber(key.burst)} at once`;
}

const MOST_CALLS = 1_000_000;

/** A field of a limit: its number, nothing for an empty one, or what is wrong with it. */
export function limit(text: string): { number: number } | { error: string } {
  const trimmed = text.trim();
  if (trimmed === "") return { number: 0 };
  const number = Number(trimmed);
  if (!/^\d+$/.test(trimmed) || number > MOST_CALLS) return { error: `A whole number up to ${formatNumber(MOST_CALLS)}` };
  return { number };
}

/** Why a name is none, if it is none. */
export function nameError(name: string, taken: readonly string[]): string | undefined {
  if (name === "") return undefined;
  if (name.length > 40) return "At most 40 characters";
  if (!/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name)) return "a–z, 0–9 and -, beginning with a letter";
  return taken.includes(name) ? "There is a key of this name" : undefined;
}

interface NewKey {
  name: string;
  scope: "read" | "send";
  rate: number;
  burst: number;
}

export function createCommand(network: string, { name, scope, rate, burst }: NewKey): string {
  const limits = rate === 0 ? "" : ` --rate ${rate}${burst === 0 ? "" : ` --burst ${burst}`}`;
  return `windlass network key create ${network} ${name === "" ? "NAME" : name}${scope === "send" ? " --scope send" : ""}${limits}`;
}

export function rotateCommand(network: string, key: string, overlapS: number): string {
  return `windlass network key rotate ${network} ${key}${overlapS === 0 ? "" : ` --overlap ${overlapS}`}`;
}

export function revokeCommand(network: string, key: string): string {
  return `windlass network key revoke ${network} ${key}`;
}
