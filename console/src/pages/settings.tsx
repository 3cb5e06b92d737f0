// How the console looks, whose session this is, and what runs here.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { endSession } from "../api/client";
import { isUnauthenticated } from "../api/problem";
import { keys, useStatus } from "../api/queries";
import type { PlatformStatus } from "../api/types";
import { formatNumber } from "../lib/format";
import { CliLine } from "../ui/copy";
import { Failed, Skeleton } from "../ui/feedback";
import { Icon } from "../ui/icons";
import { PageHead } from "../ui/page";
import { ThemeSwitch } from "../ui/theme-switch";
import { Age } from "../ui/time";

export function SettingsPage() {
  const status = useStatus();
  return (
    <>
      <PageHead title="Settings" />
      <section className="panel" aria-labelledby="look-title">
        <h2 id="look-title">Look</h2>
        <ThemeSwitch />
      </section>
      <SessionPanel />
      <section className="panel" aria-labelledby="platform-title">
        <h2 id="platform-title">Platform</h2>
        {status.isPending && <Skeleton rows={4} label="platform" />}
        {status.isError && (
          <Failed error={status.error} what="The status could not be read" onRetry={() => void status.refetch()} />
        )}
        {status.data && <Platform status={status.data} />}
        <CliLine command="windlass status" />
      </section>
    </>
  );
}

function SessionPanel() {
  const client = useQueryClient();
  const [failure, setFailure] = useState<unknown>(null);
  const leave = () => {
    const left = () => {
      client.setQueryData(keys.session, "none");
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] });
    };
    endSession().then(left, (error: unknown) => (isUnauthenticated(error) ? left() : setFailure(error)));
  };
  return (
    <section className="panel" aria-labelledby="session-title">
      <h2 id="session-title">Session</h2>
      <p className="hint">This browser holds a cookie that scripts cannot read. For another browser, get another link:</p>
      <CliLine command="windlass login" />
      <p>
        <button type="button" className="button" onClick={leave}>
          <Icon name="leave" />
          Log out
        </button>
      </p>
      {failure !== null && <Failed error={failure} what="The session was not ended" onRetry={leave} />}
    </section>
  );
}

function Platform({ status }: { status: PlatformStatus }) {
  const pairs: readonly (readonly [string, React.ReactNode])[] = [
    ["Version", <span className="mono">{status.version}</span>],
    ["Process", <span className="number">{status.pid}</span>],
    ["Running since", <Age atMs={status.started_at_ms} />],
    ["API and console", <span className="mono breaks">{status.url}</span>],
    ["Gateway", <span className="mono breaks">{status.gateway_url ?? "not running"}</span>],
    ["Gateway's process", <span className="number">{status.gateway_pid ?? "–"}</span>],
    ["Data directory", <span className="mono breaks">{status.data_dir}</span>],
    ["Networks", <span className="number">{formatNumber(status.networks)}</span>],
    ["Running nodes", <span className="number">{formatNumber(status.running_nodes)}</span>],
  ];
  return (
    <dl className="pairs">
      {pairs.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
