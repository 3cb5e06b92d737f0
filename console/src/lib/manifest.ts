// The create form's values, checked by the same rules as the platform's, and their two other forms:
// the manifest that the API takes and the CLI line that does the same. The platform checks again.
import type { Manifest, NetworkSpec } from "../api/types";
import { toleratedFaults } from "./networks";
import { parseSpan, SPAN_WANTED, spanText } from "./time-span";

export interface CreateForm {
  name: string;
  validators: string;
  chainId: string;
  gasLimit: string;
  blockInterval: string;
  fees: "free" | "eip1559";
  floorGwei: string;
  /** Seconds; empty leaves it to the platform. */
  sleepAfter: string;
  /** A span such as `2h`; empty leaves it to the platform. */
  timeToLive: string;
}

export const EMPTY_FORM: CreateForm = {
  name: "",
  validators: "4",
  chainId: "",
  gasLimit: "",
  blockInterval: "",
  fees: "free",
  floorGwei: "1",
  sleepAfter: "",
  timeToLive: "",
};

/** After how long without a request a network may fall asleep; the platform's own choice goes first. */
export const SLEEP_CHOICES = [
  { value: "", name: "30 min without a request" },
  { value: "300", name: "5 min without a request" },
  { value: "7200", name: "2 h without a request" },
  { value: "86400", name: "a day without a request" },
  { value: "0", name: "never, it always runs" },
] as const;

export type FieldErrors = Partial<Record<keyof CreateForm, string>>;

const MAX_VALIDATORS = 100;

/** Why the text is not a name, or null. */
export function nameError(name: string, taken: readonly string[] = []): string | null {
  if (name === "") return "Give the network a name.";
  if (name.length > 40) return `The name has ${name.length} characters; at most 40 are allowed.`;
  const odd = [...name].find((character) => !/[a-z0-9-]/.test(character));
  if (odd !== undefined) return `“${odd}” is not allowed; use a–z, 0–9 and “-”.`;
  if (!/^[a-z]/.test(name)) return "The name must begin with a letter.";
  if (name.endsWith("-")) return "The name must not end with “-”.";
  if (taken.includes(name)) return `A network named ${name} exists already.`;
  return null;
}

function wholeError(text: string, least: number, most: number): string | null {
  const range = `${least.toLocaleString("en-US")} to ${most.toLocaleString("en-US")}`;
  if (!/^[0-9][0-9_,]*$/.test(text)) return `Give a whole number, ${range}.`;
  const value = whole(text);
  return value < least || value > most ? `It must be from ${range}.` : null;
}

function whole(text: string): number {
  return Number(text.replaceAll(/[_,]/g, ""));
}

export function checkForm(form: CreateForm, taken: readonly string[] = []): FieldErrors {
  const optional = (text: string, least: number, most: number) =>
    text.trim() === "" ? null : wholeError(text.trim(), least, most);
  const errors: Record<keyof CreateForm, string | null> = {
    name: nameError(form.name, taken),
    validators: wholeError(form.validators.trim(), 1, MAX_VALIDATORS),
    chainId: optional(form.chainId, 1, Number.MAX_SAFE_INTEGER),
    gasLimit: optional(form.gasLimit, 1_000_000, 10_000_000_000),
    blockInterval: optional(form.blockInterval, 0, 600_000),
    fees: null,
    floorGwei: form.fees === "eip1559" && gweiToWei(form.floorGwei) === null ? "Give an amount in gwei, such as 1 or 0.5." : null,
    sleepAfter: null,
    timeToLive: form.timeToLive.trim() === "" || parseSpan(form.timeToLive) !== null ? null : SPAN_WANTED,
  };
  const found: FieldErrors = {};
  for (const key of Object.keys(errors) as (keyof CreateForm)[]) {
    const error = errors[key];
    if (error !== null) found[key] = error;
  }
  return found;
}

function gweiToWei(text: string): number | null {
  const trimmed = text.trim();
  if (!/^\d+(\.\d{1,9})?$/.test(trimmed)) return null;
  const wei = Math.round(Number(trimmed) * 1e9);
  return Number.isSafeInteger(wei) ? wei : null;
}

/** The manifest of a form without errors; what was left out is left to the platform. */
export function toManifest(form: CreateForm): Manifest {
  const manifest: Manifest = { name: form.name, validators: whole(form.validators) };
  if (form.chainId.trim() !== "") manifest.chain_id = whole(form.chainId.trim());
  if (form.gasLimit.trim() !== "") manifest.gas_limit = whole(form.gasLimit.trim());
  if (form.blockInterval.trim() !== "") manifest.min_block_interval_ms = whole(form.blockInterval.trim());
  if (form.fees === "eip1559") manifest.fees = { policy: "eip1559", floor_wei: gweiToWei(form.floorGwei) ?? 1_000_000_000 };
  if (form.sleepAfter !== "") manifest.sleep_after_s = Number(form.sleepAfter);
  const seconds = parseSpan(form.timeToLive);
  if (seconds !== null) manifest.ttl_s = seconds;
  return manifest;
}

/** Whether the form says more than the CLI's two arguments can. */
function needsFile(form: CreateForm): boolean {
  return [form.chainId, form.gasLimit, form.blockInterval, form.sleepAfter].some((text) => text.trim() !== "") || form.fees !== "free";
}

/** The CLI line that does the same. */
export function createCommand(form: CreateForm): string {
  const name = form.name === "" ? "NAME" : form.name;
  if (needsFile(form)) return `windlass network create ${name} -f ${name}.toml`;
  const seconds = parseSpan(form.timeToLive);
  const ttl = form.timeToLive.trim() === "" ? "" : ` --ttl ${seconds === null ? "TIME" : spanText(seconds)}`;
  return `windlass network create ${name} --validators ${form.validators.trim() || "4"}${ttl}`;
}

export interface Advice {
  level: "note" | "warning";
  text: string;
}

/** What a number of validators means for faults. */
export function validatorAdvice(validators: number): Advice {
  const faults = toleratedFaults(validators);
  if (validators === 1) {
    return { level: "note", text: "One validator is enough for development. When it is away, no block is made." };
  }
  if (faults === 0) {
    return {
      level: "warning",
      text: `${validators} validators tolerate no fault: when one is away, no block is made. 4 tolerate one.`,
    };
  }
  const spare = validators - (3 * faults + 1);
  const next = spare > 0 ? ` ${3 * faults + 1} would tolerate as many.` : "";
  return { level: "note", text: `Goes on when ${faults === 1 ? "one of them is" : `${faults} of them are`} away.${next}` };
}

/** A spec or manifest as TOML, in the order of its fields. Tables go last, as TOML wants it. */
export function toToml(value: Manifest | (NetworkSpec & { name?: string })): string {
  const lines: string[] = [];
  const tables: string[] = [];
  for (const [key, entry] of Object.entries(value)) {
    if (entry === undefined || entry === null) continue;
    if (key === "members" && Array.isArray(entry)) {
      for (const member of value.members ?? []) tables.push(`\n[[members]]\n${tomlPairs({ ...member })}`);
    } else if (key === "alloc") {
      for (const [address, account] of Object.entries(value.alloc ?? {})) {
        tables.push(`\n[alloc.${JSON.stringify(address)}]\n${tomlPairs({ ...account })}`);
      }
    } else if (typeof entry === "object" && !Array.isArray(entry)) {
      tables.push(`\n[${key}]\n${tomlPairs({ ...entry })}`);
    } else {
      lines.push(`${key} = ${tomlValue(entry)}`);
    }
  }
  return [...lines, ...tables].join("\n") + "\n";
}

function tomlPairs(entries: Record<string, unknown>): string {
  return Object.entries(entries)
    .filter(([, entry]) => entry !== undefined && entry !== null)
    .map(([key, entry]) => `${key} = ${tomlValue(entry)}`)
    .join("\n");
}

function tomlValue(entry: unknown): string {
  if (typeof entry === "number") return String(entry).replace(/\B(?=(\d{3})+$)/g, "_");
  if (typeof entry === "boolean") return String(entry);
  if (Array.isArray(entry)) return `[${entry.map(tomlValue).join(", ")}]`;
  if (typeof entry === "object" && entry !== null) {
    const pairs = Object.entries(entry).map(([key, inner]) => `${JSON.stringify(key)} = ${tomlValue(inner)}`);
    return `{ ${pairs.join(", ")} }`;
  }
  return JSON.stringify(entry);
}
