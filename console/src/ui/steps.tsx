// The steps of an operation as they are done.
import type { Operation, Step } from "../api/types";
import { useNow } from "../lib/clock";
import { capitalise, formatDuration } from "../lib/format";
import { Dot } from "./state";
import { Icon } from "./icons";
import { ReasonNotice } from "./feedback";

interface StepsProps {
  operation: Operation;
  /** A message that stands on the page already. */
  said?: string | undefined;
}

export function Steps({ operation, said }: StepsProps) {
  const stuck = operation.state === "running" && operation.reason;
  return (
    <div className="steps-box">
      <ol className="steps" aria-label={`Steps of ${operation.kind}`}>
        {operation.steps.map((step) => (
          <StepLine key={step.name} step={step} ended={operation.state !== "running"} />
        ))}
      </ol>
      {operation.reason && operation.reason.message !== said && <ReasonNotice reason={operation.reason} tone={stuck ? "warn" : "bad"} />}
    </div>
  );
}

const WORDS = { pending: "not begun", running: "under way", done: "done" } as const;

function StepLine({ step, ended }: { step: Step; ended: boolean }) {
  const running = step.state === "running" && !ended;
  return (
    <li className={`step ${step.state}`}>
      <span className="step-mark">
        {step.state === "done" ? <Icon name="check" /> : <Dot tone={running ? "busy" : "off"} />}
      </span>
      <span className="step-name">
        {capitalise(step.name)}
        <span className="visually-hidden">, {WORDS[step.state]}</span>
      </span>
      <span className="step-detail muted">{step.detail}</span>
      <span className="step-time number muted">
        {step.started_at_ms != null && (step.finished_at_ms != null || running) && (
          <StepTime startedAtMs={step.started_at_ms} finishedAtMs={step.finished_at_ms ?? null} />
        )}
      </span>
    </li>
  );
}

function StepTime({ startedAtMs, finishedAtMs }: { startedAtMs: number; finishedAtMs: number | null }) {
  return finishedAtMs === null ? <Elapsed sinceMs={startedAtMs} /> : <>{formatDuration(finishedAtMs - startedAtMs)}</>;
}

/** Below two seconds nothing is shown: a number that only flickers says nothing. */
function Elapsed({ sinceMs }: { sinceMs: number }) {
  const elapsed = useNow() - sinceMs;
  return elapsed < 2000 ? null : <>{formatDuration(elapsed)}</>;
}
