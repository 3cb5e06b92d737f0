// Who governs the network: its members with their nodes, what they proposed, and what they decided.
import { useState } from "react";
import { useMembers, useObservers, useValidators } from "../../api/governance";
import type { Network } from "../../api/types";
import { seatCounts, seats } from "../../lib/governance";
import { answersQuestions } from "../../lib/life";
import type { Subject } from "../../lib/proposing";
import { Skeleton } from "../../ui/feedback";
import { MembersTable } from "./members-table";
import { ParametersPanel } from "./parameters";
import { ProposalsPanel } from "./proposals";
import { ProposeDialog } from "./propose";
import { AsOf, DECIDED, Silent, Unread } from "./silent";

export function MembersTab({ network }: { network: Network }) {
  const known = useMembers(network).data !== undefined;
  if (!known && !answersQuestions(network)) return <Silent network={network} what={DECIDED} />;
  return (
    <>
      <MembersPanel network={network} />
      <ProposalsPanel network={network} />
      <ParametersPanel network={network} />
    </>
  );
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
        <Unread
          network={network}
          what="The members"
          error={failed.error}
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
