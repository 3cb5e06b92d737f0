// What was done with the network, and the evidence of its first usable moment.
import { useOperations } from "../../api/queries";
import type { Network } from "../../api/types";
import { Failed, Skeleton } from "../../ui/feedback";
import { EvidencePanel } from "../../ui/evidence";
import { OperationsTable } from "../../ui/operations-table";

export function OperationsTab({ network }: { network: Network }) {
  const operations = useOperations();
  const own = operations.data?.filter((operation) => operation.network === network.id) ?? [];
  return (
    <>
      <section className="panel flush" aria-labelledby="operations-title">
        <div className="panel-head">
          <h2 id="operations-title">Operations</h2>
        </div>
        {operations.isPending && <Skeleton rows={3} label="operations" />}
        {operations.isError && (
          <Failed error={operations.error} what="The operations could not be read" onRetry={() => void operations.refetch()} />
        )}
        {operations.data && <OperationsTable operations={own} showNetwork="no" />}
        {operations.hasNextPage && (
          <div className="more">
            <button type="button" className="button" disabled={operations.isFetchingNextPage} onClick={() => void operations.fetchNextPage()}>
              Older
            </button>
          </div>
        )}
      </section>
      {network.evidence && <EvidencePanel evidence={network.evidence} />}
    </>
  );
}
