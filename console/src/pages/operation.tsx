// One operation: its steps live, then what it proved or released. It outlives its network.
import { useNetworks, useOperation } from "../api/queries";
import type { Operation } from "../api/types";
import { formatDuration } from "../lib/format";
import { operationLabel, operationTitle } from "../lib/networks";
import { Link, networkPath } from "../router";
import { BallotPanel } from "../ui/ballot";
import { CliButton } from "../ui/copy";
import { EvidencePanel } from "../ui/evidence";
import { Failed, Skeleton } from "../ui/feedback";
import { PageHead } from "../ui/page";
import { Prose } from "../ui/prose";
import { ReceiptPanel } from "../ui/receipt";
import { Badge } from "../ui/state";
import { Steps } from "../ui/steps";
import { Age } from "../ui/time";

export function OperationPage({ id }: { id: string }) {
  const operation = useOperation(id);
  if (operation.data) return <OperationView operation={operation.data} />;
  return (
    <>
      <PageHead title="Operation" />
      {operation.isPending && <Skeleton rows={4} label="operation" />}
      {operation.isError && (
        <Failed error={operation.error} what="The operation could not be read" onRetry={() => void operation.refetch()} />
      )}
    </>
  );
}

function OperationView({ operation }: { operation: Operation }) {
  const there = useNetworks().data?.some((network) => network.id === operation.network) ?? false;
  return (
    <>
      <nav className="crumbs" aria-label="Breadcrumb">
        <Link to="/activity">Activity</Link>
        <span aria-hidden="true">/</span>
        <span aria-current="page" className="mono">
          {operation.id}
        </span>
      </nav>
      <PageHead
        title={operationTitle(operation)}
        aside={<Badge label={operationLabel(operation.state)} />}
        actions={
          <div className="joined">
            <Link className="button" to={there ? networkPath(operation.network_name) : "/networks"}>
              {there ? `Open ${operation.network_name}` : "All networks"}
            </Link>
            <CliButton command={`windlass operation show ${operation.id}`} />
          </div>
        }
      >
        <p className="why">
          Asked for <Age atMs={operation.created_at_ms} />
          {operation.actor !== undefined && operation.actor !== "" && ` by ${operation.actor}`}
          {operation.finished_at_ms != null && `; took ${formatDuration(operation.finished_at_ms - operation.created_at_ms)}`}.
        </p>
      </PageHead>
      <section className="panel" aria-label="Steps">
        <Steps operation={operation} />
        {operation.reason == null && operation.delayed_by != null && (
          <p className="muted">
            It was waiting: <Prose text={operation.delayed_by.message} />
          </p>
        )}
      </section>
      {operation.ballot && <BallotPanel outcome={operation.ballot} network={operation.network_name} there={there ? "yes" : "no"} />}
      {operation.receipt && <ReceiptPanel receipt={operation.receipt} />}
      {operation.evidence && <EvidencePanel evidence={operation.evidence} />}
    </>
  );
}
