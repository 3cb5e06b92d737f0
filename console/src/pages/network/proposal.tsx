// One proposal: what it would do, how the votes stand, and what is left to be done about it.
import { type ReactNode, useState } from "react";
import { useMembers, useProposal } from "../../api/governance";
import { useNetwork } from "../../api/queries";
import type { Network, NetworkMember, Proposal } from "../../api/types";
import { useNow } from "../../lib/clock";
import { endOf, settleable, silent, stage, stageLabel, voters } from "../../lib/governance";
import { answersQuestions } from "../../lib/life";
import type { StateLabel } from "../../lib/networks";
import { Link, networkPath } from "../../router";
import { Failed, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { PageHead } from "../../ui/page";
import { Prose } from "../../ui/prose";
import { Badge, State } from "../../ui/state";
import { Age, Moment } from "../../ui/time";
import { NoNetwork } from ".";
import { AsOf, DECIDED, Silent } from "./silent";
import { type Asked, BallotButtons, ProposalDialog } from "./vote";

export function ProposalPage({ name, id }: { name: string; id: number }) {
  const network = useNetwork(name);
  if (network.data) return <OfNetwork network={network.data} id={id} />;
  return (
    <>
      <PageHead title={`Proposal ${id}`} />
      {network.isPending && <Skeleton rows={5} label="proposal" />}
      {network.isError && (
        <Failed error={network.error} what={`${name} could not be read`} onRetry={() => void network.refetch()} />
      )}
      {network.isSuccess && <NoNetwork name={name} />}
    </>
  );
}

function Crumbs({ network, id }: { network: Network; id: number }) {
  return (
    <nav className="crumbs" aria-label="Breadcrumb">
      <Link to="/networks">Networks</Link>
      <span aria-hidden="true">/</span>
      <Link to={networkPath(network.name)}>{network.name}</Link>
      <span aria-hidden="true">/</span>
      <Link to={networkPath(network.name, "members")}>Members</Link>
      <span aria-hidden="true">/</span>
      <span aria-current="page">Proposal {id}</span>
    </nav>
  );
}

function OfNetwork({ network, id }: { network: Network; id: number }) {
  const proposal = useProposal(network, id);
  const members = useMembers(network);
  if (proposal.data) {
    return <ProposalView network={network} proposal={proposal.data} members={members.data ?? []} asOf={<AsOf network={network} query={proposal} />} />;
  }
  return (
    <>
      <Crumbs network={network} id={id} />
      <PageHead title={`Proposal ${id} of ${network.name}`} />
      {!answersQuestions(network) && <Silent network={network} what={DECIDED} />}
      {answersQuestions(network) && proposal.isPending && <Skeleton rows={5} label="proposal" />}
      {answersQuestions(network) && proposal.isError && (
        <Failed error={proposal.error} what={`Proposal ${id} could not be read`} onRetry={() => void proposal.refetch()} />
      )}
    </>
  );
}

interface ProposalViewProps {
  network: Network;
  proposal: Proposal;
  members: readonly NetworkMember[];
}

function ProposalView({ network, proposal, members, asOf }: ProposalViewProps & { asOf: ReactNode }) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const now = stage(proposal, useNow());
  return (
    <>
      <Crumbs network={network} id={proposal.id} />
      <PageHead
        title={`Proposal ${proposal.id}`}
        aside={<Badge label={stageLabel(now)} />}
        actions={<BallotButtons network={network} proposal={proposal} members={members} onAsk={setAsked} />}
      >
        <p className="why">
          <Prose text={proposal.tally.arithmetic} /> {asOf}
        </p>
      </PageHead>
      {proposal.failure && <FailureNotice failure={proposal.failure} />}
      <OpenHint network={network} proposal={proposal} members={members} />
      <ContentPanel proposal={proposal} />
      <VotesPanel proposal={proposal} members={members} />
      {asked && <ProposalDialog network={network} proposal={proposal} members={members} asked={asked} onClose={() => setAsked(null)} />}
    </>
  );
}

function FailureNotice({ failure }: { failure: NonNullable<Proposal["failure"]> }) {
  return (
    <div className="notice bad" role="status">
      <Icon name="warning" />
      <div>
        <p>
          <strong>It was approved, and could not be executed.</strong> <Prose text={failure.message} />
        </p>
        <p className="muted">
          <Prose text={failure.hint} /> None of its actions took effect.
        </p>
        <p className="code-line">
          <code className="mono">{failure.code}</code>
        </p>
      </div>
    </div>
  );
}

/** Why there is no button, where one would look for it. */
function OpenHint({ network, proposal, members }: ProposalViewProps) {
  const nowMs = useNow();
  if (!answersQuestions(network) || members.length === 0 || settleable(proposal, nowMs)) return null;
  if (stage(proposal, nowMs) !== "in_progress" || voters(members, proposal).length > 0) return null;
  const held = members.some((member) => member.key_held);
  return (
    <p className="hint">
      {held ? "Each active member whose key this platform holds has voted." : "This platform holds the key of no member."}{" "}
      <Prose text={`\`windlass network vote ${network.name} ${proposal.id} yes --as MEMBER --print\` prints another member's vote, for the tool that holds its key`} />
    </p>
  );
}

function ContentPanel({ proposal }: { proposal: Proposal }) {
  const over = proposal.settled_at_ms != null || proposal.expires_at_ms <= useNow();
  return (
    <section className="panel" aria-labelledby="content-title">
      <h2 id="content-title">What it does</h2>
      <ul className="actions-list">
        {proposal.actions.map((action, index) => (
          <li key={index}>
            <Prose text={action.words} />
          </li>
        ))}
      </ul>
      <dl className="pairs">
        <Pair name="Proposed by">{proposal.proposer.organization}</Pair>
        <Pair name="Made">
          <Age atMs={proposal.created_at_ms} />
        </Pair>
        <Pair name={over ? "Ended" : "Takes votes until"}>
          <Moment atMs={endOf(proposal)} />
        </Pair>
        <Pair name="Reason">{proposal.reason === "" ? <span className="muted">none was given</span> : proposal.reason}</Pair>
        {proposal.force && <Pair name="Force">its members accept that a quorum may be missing</Pair>}
      </dl>
    </section>
  );
}

function Pair({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function VotesPanel({ proposal, members }: { proposal: Proposal; members: readonly NetworkMember[] }) {
  const { votes_for: yes, votes_against: no, needed_for: needed, needed_against: neededAgainst } = proposal.tally;
  return (
    <section className="panel flush" aria-labelledby="votes-title">
      <div className="panel-head">
        <h2 id="votes-title">Votes</h2>
      </div>
      <dl className="figures tally">
        <Figure name="For it" count={yes} needed={needed} />
        <Figure name="Against it" count={no} needed={neededAgainst} />
      </dl>
      <VotesTable proposal={proposal} members={members} />
    </section>
  );
}

/** Who has voted; while votes are taken, who has not. */
function VotesTable({ proposal, members }: { proposal: Proposal; members: readonly NetworkMember[] }) {
  const open = stage(proposal, useNow()) === "in_progress";
  const waiting = open ? silent(members, proposal).filter((member) => member.state === "active") : [];
  return (
    <table className="table votes">
      <caption className="visually-hidden">Votes on proposal {proposal.id}</caption>
      <thead>
        <tr>
          <th scope="col">Member</th>
          <th scope="col">Vote</th>
          <th scope="col" className="col-number">Cast</th>
        </tr>
      </thead>
      <tbody>
        {proposal.votes.map(({ member, vote, cast_at_ms }) => (
          <VoteRow
            key={member.id}
            organization={member.organization}
            label={vote === "yes" ? { tone: "good", word: "Yes" } : { tone: "bad", word: "No" }}
            cast={<Age atMs={cast_at_ms} />}
          />
        ))}
        {waiting.map((member) => (
          <VoteRow
            key={member.id}
            organization={member.organization}
            label={{ tone: "off", word: "Not yet" }}
            note={member.key_held ? null : "its key is elsewhere"}
            cast="–"
          />
        ))}
      </tbody>
    </table>
  );
}

interface VoteRowProps {
  organization: string;
  label: StateLabel;
  note?: string | null;
  cast: ReactNode;
}

function VoteRow({ organization, label, note = null, cast }: VoteRowProps) {
  return (
    <tr>
      <th scope="row" className="breaks">{organization}</th>
      <td>
        <State label={label} />
        {note !== null && <span className="sub muted">{note}</span>}
      </td>
      <td className="col-number muted">{cast}</td>
    </tr>
  );
}

function Figure({ name, count, needed }: { name: string; count: number; needed: number }) {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>
        <span className="number">
          {count} <small>of {needed} needed</small>
        </span>
      </dd>
    </div>
  );
}
