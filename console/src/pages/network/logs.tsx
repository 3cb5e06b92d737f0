// The log of a node, followed while one looks.
import { useEffect, useRef, useState } from "react";
import { openLogs } from "../../api/client";
import type { Network } from "../../api/types";
import { cutLines, KEPT_LINES, lineClock, type LogLine, readLine } from "../../lib/logs";
import { navigate, networkPath } from "../../router";
import { CliLine } from "../../ui/copy";
import { Empty, Failed, Skeleton } from "../../ui/feedback";

export function LogsTab({ network, node }: { network: Network; node: string | null }) {
  const name = node ?? network.nodes[0]?.name ?? null;
  const index = network.nodes.findIndex((candidate) => candidate.name === name);
  if (name === null) return <Empty title="There is no node yet, so there is no log." />;
  return (
    <>
      <div className="logs-head">
        <div className="picker">
          <label htmlFor="log-node">Node</label>
          <select
            id="log-node"
            value={name}
            onChange={(event) => navigate(networkPath(network.name, "logs", event.target.value))}
          >
            {network.nodes.map((candidate) => (
              <option key={candidate.id}>{candidate.name}</option>
            ))}
          </select>
        </div>
        <CliLine command={`windlass network logs ${network.name} --node ${name} -f`} />
      </div>
      {index < 0 ? (
        <Empty title={`${network.name} has no node named ${name}.`} />
      ) : (
        <LogStream key={name} network={network.name} node={name} />
      )}
    </>
  );
}

type Streamed = { state: "opening" | "open" | "ended" } | { state: "failed"; error: unknown };

function LogStream({ network, node }: { network: string; node: string }) {
  const [attempt, setAttempt] = useState(0);
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [streamed, setStreamed] = useState<Streamed>({ state: "opening" });

  useEffect(() => {
    const abort = new AbortController();
    setLines([]);
    setStreamed({ state: "opening" });
    follow(network, node, abort.signal, {
      opened: () => setStreamed({ state: "open" }),
      lines: (arrived) => setLines((before) => [...before, ...arrived].slice(-KEPT_LINES)),
    }).then(
      () => setStreamed({ state: "ended" }),
      (error: unknown) => {
        if (!abort.signal.aborted) setStreamed({ state: "failed", error });
      },
    );
    return () => abort.abort();
  }, [network, node, attempt]);

  const again = () => setAttempt((count) => count + 1);
  if (streamed.state === "opening" && lines.length === 0) return <Skeleton rows={8} label="log" />;
  return (
    <>
      {streamed.state === "failed" && <Failed error={streamed.error} what="The log could not be read" onRetry={again} />}
      {(lines.length > 0 || streamed.state !== "failed") && <LogView lines={lines} node={node} />}
      {streamed.state === "ended" && (
        <p className="hint">
          The log ended with its process.{" "}
          <button type="button" className="button small" onClick={again}>
            Read again
          </button>
        </p>
      )}
    </>
  );
}

interface Sink {
  opened: () => void;
  lines: (lines: LogLine[]) => void;
}

async function follow(network: string, node: string, signal: AbortSignal, sink: Sink): Promise<void> {
  const stream = await openLogs(network, node, signal);
  sink.opened();
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const cut = cutLines(rest + value);
    rest = cut.rest;
    if (cut.lines.length > 0) sink.lines(cut.lines.map((line) => readLine(line, count++)));
  }
  if (rest !== "") sink.lines([readLine(rest, count)]);
}

/** Stays at the end while one is there; who scrolls up reads in peace. */
function LogView({ lines, node }: { lines: readonly LogLine[]; node: string }) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    const element = box.current;
    if (element && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [lines]);
  return (
    <div
      ref={box}
      className="log mono"
      role="log"
      aria-live="off"
      aria-label={`Log of ${node}`}
      tabIndex={0}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {lines.length === 0 && <p className="muted">No line yet.</p>}
      {lines.map((line) => (
        <p key={line.id} className={`line ${line.level}`}>
          {line.time !== null && <span className="line-time">{lineClock(line.time)}</span>}
          {line.level !== "none" && <span className="line-level">{line.level}</span>}
          <span className="line-text">
            {line.text} {line.fields !== "" && <span className="muted">{line.fields}</span>}
          </span>
        </p>
      ))}
    </div>
  );
}
