// Everything that was done, newest first.
import { useNetworks, useOperations } from "../api/queries";
import { CliButton, CliLine } from "../ui/copy";
import { Empty, Failed, Skeleton } from "../ui/feedback";
import { OperationsTable } from "../ui/operations-table";
import { PageHead } from "../ui/page";

export function ActivityPage() {
  const operations = useOperations();
  const present = new Set(useNetworks().data?.map((network) => network.id));
  return (
    <>
      <PageHead title="Activity" actions={<CliButton command="windlass operation ls" />} />
      {operations.isPending && <Skeleton rows={5} label="operations" />}
      {operations.isError && (
        <Failed error={operations.error} what="The operations could not be read" onRetry={() => void operations.refetch()} />
      )}
      {operations.data?.length === 0 && (
        <Empty title="Nothing was done yet. Each create, stop, start and destroy stands here with its steps.">
          <CliLine command="windlass network create trade --validators 4" />
        </Empty>
      )}
      {operations.data && operations.data.length > 0 && (
        <OperationsTable operations={operations.data} present={present} />
      )}
      {operations.hasNextPage && (
        <div className="more">
          <button type="button" className="button" disabled={operations.isFetchingNextPage} onClick={() => void operations.fetchNextPage()}>
            Older
          </button>
        </div>
      )}
    </>
  );
}
