// Proposing the commonest: that a member or a validator is suspended, resumed or removed.
import { useState } from "react";
import { useParameters } from "../../api/governance";
import type { Network, NetworkMember } from "../../api/types";
import { capitalise } from "../../lib/format";
import { actors, approvalWords, toleranceWords } from "../../lib/governance";
import {
  type Change, changesOf, type Consequences, consequences, proposeCommand, reasonError, requestOf, type Roll, type Subject, subjectName, voicesAfter,
} from "../../lib/proposing";
import { toleratedFaults } from "../../lib/networks";
import { Field } from "../../ui/field";
import { Icon } from "../../ui/icons";
import { Marked } from "../../ui/prose";
import { BallotDialog, NoKey } from "./ballot-dialog";

interface ProposeDialogProps {
  network: Network;
  roll: Roll;
  subject: Subject;
  onClose: () => void;
}

export function ProposeDialog({ network, roll, subject, onClose }: ProposeDialogProps) {
  const changes = changesOf(subject);
  const members = actors(roll.members);
  const [change, setChange] = useState<Change>(changes[0] ?? "remove");
  const [member, setMember] = useState<NetworkMember | null>(members[0] ?? null);
  const [reason, setReason] = useState("");
  const name = subjectName(subject);
  const error = reasonError(reason);
  const ballot = (said: string) =>
    member === null ? null : ({ kind: "propose", request: requestOf({ subject, change, member, reason: said }) } as const);
  return (
    <BallotDialog
      network={network}
      title={`Propose to ${change} ${name}?`}
      members={members}
      member={member}
      onMember={setMember}
      ballot={ballot(reason)}
      trial={ballot("")}
      command={proposeCommand(network.name, { subject, change, member, reason }, roll)}
      submit={{ words: `Propose to ${change} ${name}`, look: change === "remove" ? "danger solid" : "primary" }}
      invalid={error !== undefined}
      onClose={onClose}
    >
      <Choice changes={changes} change={change} subject={subject} onChange={setChange} />
      <Effects network={network} subject={subject} change={change} roll={roll} />
      {member === null ? (
        <NoKey>This platform holds the key of no active member, and only members propose.</NoKey>
      ) : (
        <Field label="Reason" value={reason} onChange={setReason} error={error} hint="For the other members; may be left out" />
      )}
    </BallotDialog>
  );
}

interface ChoiceProps {
  changes: readonly Change[];
  change: Change;
  subject: Subject;
  onChange: (change: Change) => void;
}

function Choice({ changes, change, subject, onChange }: ChoiceProps) {
  return (
    <div className="segments" role="group" aria-label={`What is proposed about ${subjectName(subject)}`}>
      {changes.map((one) => (
        <button key={one} type="button" className="segment" aria-pressed={one === change} data-autofocus={one === change ? "" : undefined} onClick={() => onChange(one)}>
          {capitalise(one)}
        </button>
      ))}
    </div>
  );
}

function Effects({ network, subject, change, roll }: { network: Network; subject: Subject; change: Change; roll: Roll }) {
  const parameters = useParameters(network).data;
  const { lost, kept, back } = consequences(network.name, subject, change);
  const { before, after } = voicesAfter(subject, change, roll);
  const active = roll.members.filter((member) => member.state === "active").length;
  const parts: readonly [string, Consequences["lost"]][] = [["Lost", lost], ["Kept", kept], ["Comes back", back]];
  return (
    <div className="losses">
      {parts.map(([title, items]) => items.length > 0 && <Items key={title} title={title} items={items} />)}
      {before !== after && <Tolerance before={before} after={after} />}
      {parameters && <p className="hint">{approvalWords(active, parameters.thresholds.membership)}</p>}
    </div>
  );
}

function Tolerance({ before, after }: { before: number; after: number }) {
  const words = toleranceWords(before, after);
  if (after > 0 && toleratedFaults(after) >= toleratedFaults(before)) return <p className="hint">{words}</p>;
  return (
    <p className="hint warning">
      <Icon name="warning" />
      {words}
    </p>
  );
}

function Items({ title, items }: { title: string; items: readonly string[] }) {
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {items.map((item) => (
          <li key={item}>
            <Marked text={item} />
          </li>
        ))}
      </ul>
    </>
  );
}
