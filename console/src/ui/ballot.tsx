// What came of a proposal, a vote or a settlement that a member sent through the platform.
import type { BallotOutcome, Proposal } from "../api/types";
import { formatNumber } from "../lib/format";
import { stageLabel } from "../lib/governance";
import { Link, proposalPath } from "../router";
import { Hash } from "./copy";
import { Prose } from "./prose";
import { State } from "./state";

interface BallotPanelProps {
  outcome: BallotOutcome;
  network: string;
  /** Whether the network is still there, and the proposal with it. */
  there: "yes" | "no";
}

export function BallotPanel({ outcome, network, there }: BallotPanelProps) {
  const { proposal } = outcome;
  const name = `Proposal ${proposal.id}`;
  return (
    <section className="panel" aria-labelledby="outcome-title" data-testid="outcome">
      <h2 id="outcome-title">Outcome</h2>
      <p className="outcome-line">
        {there === "yes" ? <Link to={proposalPath(network, proposal.id)} className="text-link">{name}</Link> : name}
        <State label={stageLabel(proposal.state)} />
        <span className="muted">
          <Prose text={proposal.tally.arithmetic} />
        </span>
      </p>
      <Effects outcome={outcome} />
      <dl className="pairs">
        <div>
          <dt>For the member</dt>
          <dd>{outcome.member.organization}</dd>
        </div>
        <div>
          <dt>Transaction</dt>
          <dd>
            <Hash value={outcome.transaction} what="transaction hash" /> in block{" "}
            <span className="number">{formatNumber(outcome.block.number)}</span>
          </dd>
        </div>
      </dl>
    </section>
  );
}

/** What it does: since when, or that nothing is changed, and why. */
function Effects({ outcome: { effects, proposal } }: { outcome: BallotOutcome }) {
  const unchanged = proposal.failure ? proposal.failure.message : UNCHANGED[proposal.state];
  const items = effects.length > 0 ? effects : proposal.actions.map(({ words }) => ({ words, when: unchanged }));
  return (
    <ul className="actions-list">
      {items.map(({ words, when }, index) => (
        <li key={index}>
          <Prose text={words} />
          <span className="sub muted">
            <Prose text={when} />
          </span>
        </li>
      ))}
    </ul>
  );
}

const UNCHANGED: Record<Proposal["state"], string> = {
  in_progress: "nothing has changed yet: votes are taken",
  approved: "it holds",
  rejected: "nothing has changed",
  expired: "nothing has changed",
  action_failed: "nothing has changed",
};
