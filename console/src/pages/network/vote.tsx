// What a member does about a proposal that is there: votes on it, or settles it.
import { useState } from "react";
import type { Ballot } from "../../api/governance";
import type { Network, NetworkMember, Proposal, Voice } from "../../api/types";
import { useNow } from "../../lib/clock";
import { actors, settleable, settlementWords, stage, voters, voteWords } from "../../lib/governance";
import { answersQuestions, lifeCommand, revival } from "../../lib/life";
import { settleCommand, voteCommand } from "../../lib/proposing";
import { CliButton } from "../../ui/copy";
import { Prose } from "../../ui/prose";
import { LifeButton } from "./actions";
import { BallotDialog, NoKey } from "./ballot-dialog";

export type Asked = Voice | "settle";

interface OfProposal {
  network: Network;
  proposal: Proposal;
  members: readonly NetworkMember[];
}

/** What can be done now, by the platform that is asked; nothing where nothing can. */
export function BallotButtons({ network, proposal, members, onAsk }: OfProposal & { onAsk: (asked: Asked) => void }) {
  const nowMs = useNow();
  if (!answersQuestions(network)) return <ReviveButton network={network} />;
  if (settleable(proposal, nowMs)) {
    const [actor = null] = actors(members);
    return <AskButton words="Settle…" look={stage(proposal, nowMs) === "expired" ? "" : "primary"} command={settleCommand(network.name, proposal, actor, members)} onPress={() => onAsk("settle")} />;
  }
  const [voter = null] = voters(members, proposal);
  if (stage(proposal, nowMs) !== "in_progress" || voter === null) return null;
  return (
    <>
      <AskButton words="Vote yes…" look="primary" command={voteCommand(network.name, proposal, "yes", voter, members)} onPress={() => onAsk("yes")} />
      <AskButton words="Vote no…" look="" command={voteCommand(network.name, proposal, "no", voter, members)} onPress={() => onAsk("no")} />
    </>
  );
}

/** What has to be done before anything about a proposal can. */
function ReviveButton({ network }: { network: Network }) {
  const verb = revival(network);
  if (verb === null) return null;
  return (
    <div className="joined">
      <LifeButton name={network.name} verb={verb} look="" />
      <CliButton command={lifeCommand(verb, network.name)} />
    </div>
  );
}

interface AskButtonProps {
  words: string;
  look: "primary" | "";
  command: string;
  onPress: () => void;
}

function AskButton({ words, look, command, onPress }: AskButtonProps) {
  return (
    <div className="joined">
      <button type="button" className={`button ${look}`} onClick={onPress}>
        {words}
      </button>
      <CliButton command={command} />
    </div>
  );
}

interface ProposalDialogProps extends OfProposal {
  asked: Asked;
  onClose: () => void;
}

export function ProposalDialog(props: ProposalDialogProps) {
  const { network, proposal, members, asked, onClose } = props;
  const able = asked === "settle" ? actors(members) : voters(members, proposal);
  const [member, setMember] = useState<NetworkMember | null>(able[0] ?? null);
  const ballot = member === null ? null : ballotOf(proposal, asked, member);
  const words = asked === "settle" ? "Settle it" : `Vote ${asked}`;
  return (
    <BallotDialog
      network={network}
      title={asked === "settle" ? `Settle proposal ${proposal.id}?` : `Vote ${asked} on proposal ${proposal.id}?`}
      members={able}
      member={member}
      onMember={setMember}
      ballot={ballot}
      trial={ballot}
      command={asked === "settle" ? settleCommand(network.name, proposal, member, members) : voteCommand(network.name, proposal, asked, member, members)}
      submit={{ words: member === null ? words : `${words} for ${member.organization}`, look: "primary" }}
      onClose={onClose}
    >
      <Summary proposal={proposal} asked={asked} />
      {member === null && <NoKey>This platform holds the key of no member that can do this.</NoKey>}
    </BallotDialog>
  );
}

function ballotOf(proposal: Proposal, asked: Asked, member: NetworkMember): Ballot {
  if (asked === "settle") return { kind: "settle", proposal: proposal.id, request: { as: member.id } };
  return { kind: "vote", proposal: proposal.id, request: { as: member.id, vote: asked } };
}

function Summary({ proposal, asked }: { proposal: Proposal; asked: Asked }) {
  const nowMs = useNow();
  return (
    <div className="losses">
      <h3>The proposal, by {proposal.proposer.organization}</h3>
      <ul>
        {proposal.actions.map((action, index) => (
          <li key={index}>
            <Prose text={action.words} />
          </li>
        ))}
      </ul>
      {proposal.reason !== "" && <p>“{proposal.reason}”</p>}
      <p className="hint">
        {asked === "settle" ? settlementWords(proposal, nowMs) : `${voteWords(proposal.tally, asked)} A vote is final.`}
      </p>
    </div>
  );
}
