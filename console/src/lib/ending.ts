// How long a network lives: what is said of its end, and how it is put off. Pure.
import type { Accepted, End, Extension, Network } from "../api/types";
import { formatMoment } from "./format";
import { formatMinute, parseLocal, parseSpan, SPAN_WANTED } from "./time-span";

export type Ending = Partial<Pick<Network, "end" | "intent">>;

/** Its end, as long as something can be done about it. */
export function endOf({ end, intent }: Ending): End | null {
  return intent === "destroyed" ? null : (end ?? null);
}

/** Whether its time is over and it waits to be extended. */
export function isOver(network: Ending): boolean {
  return endOf(network)?.stage === "over";
}

/** The few words of a list, where its end is near or over: `ends in 20 min`. */
export function endSign(network: Ending, nowMs: number): string | null {
  const end = endOf(network);
  if (end === null || end.stage === "ahead") return null;
  return end.stage === "soon" ? `ends ${formatMoment(end.at_ms, nowMs)}` : `destroyed ${formatMoment(end.destroyed_at_ms, nowMs)}`;
}

/** What a filter finds it by. */
export function endWords(network: Ending): string {
  return { ahead: "", soon: "ends soon", over: "time is over" }[endOf(network)?.stage ?? "ahead"];
}

/** What extending does with the processes of one whose time is over. */
export function afterExtending(end: Pick<End, "stage" | "resumes">): string | null {
  if (end.stage !== "over") return null;
  return end.resumes === true
    ? "Extended, it is started again with the same data, keys and URL."
    : "Extended, it stays stopped, as its user had left it.";
}

export interface ExtendForm {
  how: "by" | "until" | "forever";
  by: string;
  until: string;
}

export type Checked = { extension: Extension } | { error: string };

/** What is asked for. Only what cannot be read is refused here; the rest the platform judges. */
export function checkExtension(form: ExtendForm): Checked {
  switch (form.how) {
    case "by": {
      const seconds = parseSpan(form.by);
      return seconds === null ? { error: SPAN_WANTED } : { extension: { by_s: seconds } };
    }
    case "until": {
      const ms = parseLocal(form.until);
      return ms === null ? { error: "A date and a time." } : { extension: { until_ms: Math.max(0, ms) } };
    }
    case "forever":
      return { extension: { forever: true } };
  }
}

/** When it ends then, if the platform agrees; null is without an end. */
export function endsThen(end: Pick<End, "at_ms">, extension: Extension, nowMs: number): number | null {
  if ("by_s" in extension) return Math.max(end.at_ms, nowMs) + extension.by_s * 1000;
  return "until_ms" in extension ? extension.until_ms : null;
}

export function extendCommand(name: string, form: ExtendForm): string {
  const checked = checkExtension(form);
  const command = `windlass network extend ${name}`;
  switch (form.how) {
    case "by":
      return `${command} --by ${"error" in checked ? "TIME" : form.by.trim().replaceAll(/\s/g, "")}`;
    case "until": {
      const ms = "error" in checked ? null : parseLocal(form.until);
      return `${command} --until ${ms === null ? "TIME" : new Date(ms).toISOString().replace(".000Z", "Z")}`;
    }
    case "forever":
      return `${command} --forever`;
  }
}

/** What is said once it is extended. */
export function extendedWords({ network, operation }: Pick<Accepted, "network" | "operation">): string {
  const until = network.end ? `lives until ${formatMinute(network.end.at_ms)}` : "lives without an end";
  return `${network.name} ${until}${operation ? " and is started again" : ""}`;
}
