// How a view looks when it has nothing to show yet, or cannot.
import type { ReactNode } from "react";
import { toProblem } from "../api/problem";
import type { Reason } from "../api/types";
import { Age } from "./time";
import { Icon } from "./icons";
import { Prose } from "./prose";

/** Grey bars in the place of what is on its way. */
export function Skeleton({ rows = 3, label }: { rows?: number; label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={`Loading ${label}`}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="bar" />
      ))}
    </div>
  );
}

interface FailedProps {
  error: unknown;
  /** What could not be done: `The networks could not be read`. */
  what: string;
  onRetry?: () => void;
}

/** The API's message, code and hint, with retry. */
export function Failed({ error, what, onRetry }: FailedProps) {
  const problem = toProblem(error);
  return (
    <div className="notice bad" role="alert">
      <Icon name="warning" />
      <div>
        <p>
          <strong>{what}.</strong> <Prose text={problem.detail} />
        </p>
        <p className="muted"><Prose text={problem.hint} /></p>
        <p className="code-line">
          <code className="mono">{problem.code}</code>
          {onRetry && (
            <button type="button" className="button small" onClick={onRetry}>
              Try again
            </button>
          )}
        </p>
      </div>
    </div>
  );
}

/** Why something makes no progress, and what to do. */
export function ReasonNotice({ reason, tone }: { reason: Reason; tone: "warn" | "bad" }) {
  return (
    <div className={`notice ${tone}`} role="status">
      <Icon name="warning" />
      <div>
        <p>
          <strong><Prose text={reason.message} /></strong>
        </p>
        <p className="muted"><Prose text={reason.remedy} /></p>
        <p className="code-line">
          <code className="mono">{reason.code}</code>
          <span className="muted">
            noticed <Age atMs={reason.since_ms} />
          </span>
        </p>
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}
