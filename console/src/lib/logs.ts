// A node's log as it streams: JSON lines cut out of chunks, the newest kept. Pure.

export interface LogLine {
  id: number;
  level: "error" | "warn" | "info" | "debug" | "none";
  time: string | null;
  text: string;
  fields: string;
}

export const KEPT_LINES = 2_000;

/** Splits off the whole lines; the rest waits for the next chunk. */
export function cutLines(text: string): { lines: string[]; rest: string } {
  const parts = text.split("\n");
  const rest = parts.pop() ?? "";
  return { lines: parts.map((line) => line.replace(/\r$/, "")).filter((line) => line !== ""), rest };
}

/** A line of tracing's JSON format; any other line is shown as it is. */
export function readLine(line: string, id: number): LogLine {
  const plain: LogLine = { id, level: "none", time: null, text: line, fields: "" };
  if (!line.startsWith("{")) return plain;
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? structured(value, plain) : plain;
  } catch {
    return plain;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function structured(value: Record<string, unknown>, plain: LogLine): LogLine {
  const fields = isRecord(value["fields"]) ? value["fields"] : value;
  const message = fields["message"] ?? fields["msg"];
  const level = String(value["level"] ?? "").toLowerCase();
  const time = value["timestamp"] ?? value["time"];
  const shown = Object.entries(fields)
    .filter(([key]) => !["message", "msg", "level", "timestamp", "time", "target"].includes(key))
    .map(([key, entry]) => `${key}=${typeof entry === "string" ? entry : JSON.stringify(entry)}`);
  return {
    id: plain.id,
    level: level === "error" || level === "warn" || level === "info" ? level : level === "" ? "none" : "debug",
    time: typeof time === "string" ? time : null,
    text: typeof message === "string" ? message : plain.text,
    fields: typeof message === "string" ? shown.join(" ") : "",
  };
}

/** The clock time of a line's timestamp, with milliseconds. */
export function lineClock(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const pad = (value: number, width: number) => String(value).padStart(width, "0");
  return `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}.${pad(date.getMilliseconds(), 3)}`;
}
