// Errors as the API says them: a code, what was wrong, and what to do.
import type { Problem } from "./types";

export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

/** The platform did not answer at all. */
export function unreachable(): Problem {
  return {
    type: "/errors/platform_not_running",
    title: "no platform is running",
    status: 503,
    code: "platform_not_running",
    detail: "the platform does not answer",
    hint: "start it with `windlass up`; the console goes on by itself",
  };
}

/** An answer that is not the API's: something else answers at this address. */
export function unexpected(status: number): Problem {
  return {
    type: "/errors/internal",
    title: "an internal error",
    status,
    code: "internal",
    detail: `the platform answered ${status} without saying why`,
    hint: "reload the page; if it stays, look into the platform's log",
  };
}

export function isProblem(value: unknown): value is Problem {
  return (
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    typeof value.code === "string" &&
    "detail" in value &&
    typeof value.detail === "string" &&
    "hint" in value &&
    typeof value.hint === "string"
  );
}

/** Any thrown thing as a problem that can be shown. */
export function toProblem(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  if (error instanceof TypeError) return unreachable();
  return {
    type: "/errors/internal",
    title: "an internal error",
    status: 500,
    code: "internal",
    detail: error instanceof Error ? error.message : "something unexpected was thrown",
    hint: "reload the page; if it stays, look into the platform's log",
  };
}

export function isUnauthenticated(error: unknown): boolean {
  return error instanceof ApiError && error.problem.status === 401;
}
