// Who governs the network: its members with their nodes, what they proposed, and what they decided.
import { useState } from "react";
import { answersQuestions, useMembers, useObservers, useValidators } from "../../api/governance";
import type { Network } from "../../api/types";
import { seatCounts, seats } from "../../lib/governance";
import type { Subject } from "../../lib/proposing";
import { CliLine } from "../../ui/copy";
import { Empty, Failed, Skeleton } from "../../ui/feedback";
import { MembersTable } from "./members-table";
import { ParametersPanel } from "./parameters";
import { ProposalsPanel } from "./proposals";
import { ProposeDialog } from "./propose";

export function MembersTab({ network }: { network: Network }) {
  const known = useMembers(network).data !== undefined;
  if (!known && !answersQuestions(network)) return <Silent network={network} />;
  return (
    <>
      <MembersPanel network={network} />
      <ProposalsPanel network={network} />
      <ParametersPanel network={network} />
    </>
  );
}

/** Nobody can be asked: the members and their proposals are on the chain. */
export function Silent({ network }: { network: Network }) {
  const { name } = network;
  const stopped = network.state === "stopped";
  return (
    <Empty title={`${name} ${stopped ? "is stopped" : "is not usable at the moment"}: none of its nodes can be asked.`}>
      <p className="muted">Members, proposals and votes are on its chain, and are shown as soon as it runs.</p>
      <CliLine command={stopped ? `windlass network start ${name}` : `windlass network show ${name}`} />
    </Empty>
  );
}

interface AsOfProps {
  network: Network;
  /** What is shown: it failed if it could not be read again. */
  query: { isError: boolean };
}

/** Said where what is shown may have been overtaken. */
export function AsOf({ network, query }: AsOfProps) {
  if (!answersQuestions(network)) return <span className="muted">as of when it last ran</span>;
  return query.isError ? <span className="muted">as of when it last answered</span> : null;
}

function MembersPanel({ network }: { network: Network }) {
  const queries = { members: useMembers(network), validators: useValidators(network), observers: useObservers(network) };
  const { members, validators, observers } = queries;
  const failed = Object.values(queries).find((query) => query.isError && query.data === undefined);
  const [subject, setSubject] = useState<Subject | null>(null);
  const all = members.data && validators.data && observers.data ? seats(members.data, validators.data, observers.data, network.nodes) : null;
  const mayPropose = answersQuestions(network);
  return (
    <section className="panel flush" aria-labelledby="members-title">
      <div className="panel-head">
        <h2 id="members-title">Members</h2>
        <span className="muted">{all && seatCounts(all)}</span>
        {all && <AsOf network={network} query={{ isError: Object.values(queries).some((query) => query.isError) }} />}
      </div>
      {failed && (
        <Failed
          error={failed.error}
          what="The members could not be read"
          onRetry={() => void Promise.all(Object.values(queries).map((query) => query.refetch()))}
        />
      )}
      {!failed && all === null && <Skeleton rows={5} label="members" />}
      {all && <MembersTable network={network} seats={all} onPropose={mayPropose ? setSubject : null} />}
      {subject && members.data && validators.data && (
        <ProposeDialog
          network={network}
          roll={{ members: members.data, validators: validators.data }}
          subject={subject}
          onClose={() => setSubject(null)}
        />
      )}
    </section>
  );
}
