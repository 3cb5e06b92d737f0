// One network: what it is, why it is so, how to reach it; below that, tabs with an address each.
import { useEffect } from "react";
import { useNetwork, useOperation } from "../../api/queries";
import type { Network, Operation } from "../../api/types";
import { stateLabel, why } from "../../lib/networks";
import { Link, navigate, networkPath, operationPath, setSearch, type Tab, useSearch } from "../../router";
import { CliLine } from "../../ui/copy";
import { Empty, Failed, Skeleton } from "../../ui/feedback";
import { PageHead } from "../../ui/page";
import { Prose } from "../../ui/prose";
import { Badge } from "../../ui/state";
import { Steps } from "../../ui/steps";
import { NetworkActions } from "./actions";
import { DestroyDialog } from "./destroy";
import { EndOf } from "./end";
import { EndpointPanel } from "./endpoint";
import { LogsTab } from "./logs";
import { MembersTab } from "./members";
import { OperationsTab } from "./operations";
import { OverviewTab } from "./overview";
import { SpecTab } from "./spec";

interface NetworkPageProps {
  name: string;
  tab: Tab;
  node: string | null;
}

export function NetworkPage({ name, tab, node }: NetworkPageProps) {
  const network = useNetwork(name);
  if (network.data) return <NetworkView network={network.data} tab={tab} node={node} />;
  return (
    <>
      <PageHead title={name} />
      {network.isPending && <Skeleton rows={6} label={name} />}
      {network.isError && (
        <Failed error={network.error} what={`${name} could not be read`} onRetry={() => void network.refetch()} />
      )}
      {network.isSuccess && <NoNetwork name={name} />}
    </>
  );
}

export function NoNetwork({ name }: { name: string }) {
  return (
    <Empty title={`There is no network named ${name}.`}>
      <p className="muted">It may have been destroyed; Activity has the release receipts.</p>
      <p className="actions">
        <Link className="button" to="/networks">
          All networks
        </Link>
        <Link className="button" to="/activity">
          Activity
        </Link>
      </p>
      <CliLine command="windlass network ls" />
    </Empty>
  );
}

const TAB_NAMES: readonly { tab: Tab; name: string }[] = [
  { tab: "overview", name: "Overview" },
  { tab: "members", name: "Members" },
  { tab: "operations", name: "Operations" },
  { tab: "logs", name: "Logs" },
  { tab: "spec", name: "Spec" },
];

function NetworkView({ network, tab, node }: { network: Network; tab: Tab; node: string | null }) {
  const search = useSearch();
  const operation = useOperation(network.operation ?? null).data;
  const { message, remedy } = why(network);
  return (
    <>
      <nav className="crumbs" aria-label="Breadcrumb">
        <Link to="/networks">Networks</Link>
        <span aria-hidden="true">/</span>
        <span aria-current="page">{network.name}</span>
      </nav>
      <PageHead
        title={network.name}
        aside={<Badge label={stateLabel(network)} />}
        actions={<NetworkActions network={network} />}
      >
        <p className="why" role="status">
          <Prose text={message} />{" "}
          {remedy !== undefined && (
            <span className="muted">
              <Prose text={remedy} />
            </span>
          )}
        </p>
      </PageHead>
      <EndOf network={network} />
      {network.endpoint && <EndpointPanel network={network} endpoint={network.endpoint} tab={tab} />}
      <RunningOperation network={network} operation={operation} />
      <nav className="page-tabs" aria-label={`Parts of ${network.name}`}>
        {TAB_NAMES.map((entry) => (
          <Link
            key={entry.tab}
            to={networkPath(network.name, entry.tab)}
            className="tab"
            aria-current={entry.tab === tab ? "page" : undefined}
          >
            {entry.name}
          </Link>
        ))}
      </nav>
      <TabBody network={network} tab={tab} node={node} />
      {search.get("destroy") === "ask" && network.state !== "destroying" && (
        <DestroyDialog network={network} onClose={() => setSearch({ destroy: "" })} />
      )}
    </>
  );
}

function TabBody({ network, tab, node }: { network: Network; tab: Tab; node: string | null }) {
  switch (tab) {
    case "overview":
      return <OverviewTab network={network} />;
    case "members":
      return <MembersTab network={network} />;
    case "operations":
      return <OperationsTab network={network} />;
    case "logs":
      return <LogsTab network={network} node={node} />;
    case "spec":
      return <SpecTab network={network} />;
  }
}

/** What is under way, on the object itself. A destroy has a page that outlives the network. */
function RunningOperation({ network, operation }: { network: Network; operation: Operation | undefined }) {
  const destroys = operation?.kind === "destroy" && operation.state === "running" ? operation.id : null;
  useEffect(() => {
    if (destroys !== null) navigate(operationPath(destroys));
  }, [destroys]);
  if (!network.operation || operation?.state !== "running" || operation.id !== network.operation) return null;
  return (
    <section className="panel" aria-label="Under way">
      <Steps operation={operation} said={network.reason?.message} />
    </section>
  );
}
