// The proposals of a network, newest first; each has a page of its own.
import { useProposals } from "../../api/governance";
import type { Network, Proposal } from "../../api/types";
import { useNow } from "../../lib/clock";
import { endOf, stage, stageLabel } from "../../lib/governance";
import { Link, proposalPath } from "../../router";
import { CliLine } from "../../ui/copy";
import { Failed, Skeleton } from "../../ui/feedback";
import { Prose } from "../../ui/prose";
import { State } from "../../ui/state";
import { Moment } from "../../ui/time";
import { AsOf, Unread } from "./silent";

export function ProposalsPanel({ network }: { network: Network }) {
  const proposals = useProposals(network);
  const shown = proposals.data ?? [];
  const failed = proposals.isError && proposals.data === undefined;
  return (
    <section className="panel flush" aria-labelledby="proposals-title">
      <div className="panel-head">
        <h2 id="proposals-title">Proposals</h2>
        {proposals.data && <AsOf network={network} query={proposals} />}
      </div>
      {failed && (
        <Unread network={network} what="The proposals" error={proposals.error} onRetry={() => void proposals.refetch()} />
      )}
      {!failed && proposals.data === undefined && <Skeleton rows={3} label="proposals" />}
      {proposals.data && shown.length === 0 && <NoProposals network={network} />}
      {shown.length > 0 && <ProposalsTable network={network} proposals={shown} />}
      {proposals.hasNextPage && (
        <div className="more">
          <button type="button" className="button" disabled={proposals.isFetchingNextPage} onClick={() => void proposals.fetchNextPage()}>
            Older
          </button>
        </div>
      )}
      {proposals.isFetchNextPageError && (
        <Failed error={proposals.error} what="Older proposals could not be read" onRetry={() => void proposals.fetchNextPage()} />
      )}
    </section>
  );
}

function NoProposals({ network }: { network: Network }) {
  return (
    <div className="panel-empty">
      <p className="muted">Nobody has proposed anything yet. “Propose…” beside a member or a validator begins; the command line proposes everything:</p>
      <CliLine command={`windlass network propose ${network.name} --help`} label="What can be proposed" />
    </div>
  );
}

function ProposalsTable({ network, proposals }: { network: Network; proposals: readonly Proposal[] }) {
  return (
    <table className="table proposals">
      <caption className="visually-hidden">Proposals of {network.name}, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Proposal</th>
          <th scope="col">State</th>
          <th scope="col">Votes</th>
          <th scope="col" className="wide">By</th>
          <th scope="col" className="col-number wide">End</th>
        </tr>
      </thead>
      <tbody>
        {proposals.map((proposal) => (
          <ProposalRow key={proposal.id} network={network} proposal={proposal} />
        ))}
      </tbody>
    </table>
  );
}

function ProposalRow({ network, proposal }: { network: Network; proposal: Proposal }) {
  const now = stage(proposal, useNow());
  const [first, ...rest] = proposal.actions;
  const { votes_for: yes, votes_against: no, needed_for: needed } = proposal.tally;
  return (
    <tr>
      <th scope="row">
        <span className="proposal-name">
          <span className="number muted">{proposal.id}</span>
          <Link to={proposalPath(network.name, proposal.id)} className="row-link breaks">
            <Prose text={first?.words ?? "nothing"} />
            {rest.length > 0 && <span className="muted"> and {rest.length} more</span>}
          </Link>
        </span>
      </th>
      <td>
        <State label={stageLabel(now)} />
        <span className="sub muted narrow">
          <Moment atMs={endOf(proposal)} />
        </span>
      </td>
      <td>
        <span className="number">{yes} for</span>
        <span className="sub muted">
          {no} against, {needed} needed
        </span>
      </td>
      <td className="wide breaks">{proposal.proposer.organization}</td>
      <td className="col-number wide muted">
        <Moment atMs={endOf(proposal)} />
      </td>
    </tr>
  );
}
