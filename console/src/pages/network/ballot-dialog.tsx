// Before a proposal, a vote or a settlement is sent: for whom, what it does, what the platform says of it,
// and the command that does the same. Afterwards its operation has the outcome.
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId } from "react";
import { type Ballot, useBallotPlan, useSendBallot } from "../../api/governance";
import type { Network, NetworkMember } from "../../api/types";
import { navigate, operationPath } from "../../router";
import { CliLine } from "../../ui/copy";
import { Dialog } from "../../ui/dialog";
import { Failed } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Prose } from "../../ui/prose";
import { Select } from "../../ui/select";

interface BallotDialogProps {
  network: Network;
  title: string;
  /** Those for whom it can be sent. */
  members: readonly NetworkMember[];
  member: NetworkMember | null;
  onMember: (member: NetworkMember) => void;
  /** What is sent, and what is tried before: the same without what changes with each key. */
  ballot: Ballot | null;
  trial: Ballot | null;
  command: string;
  submit: { words: string; look: "primary" | "danger solid" };
  invalid?: boolean;
  onClose: () => void;
  children: ReactNode;
}

export function BallotDialog(props: BallotDialogProps) {
  const { network, title, members, member, onMember, ballot, trial, command, submit, onClose, children } = props;
  const client = useQueryClient();
  const send = useSendBallot(client, network);
  const plan = useBallotPlan(network, trial);
  const form = useId();
  const blocked = ballot === null || !plan.isSuccess || props.invalid === true || send.isPending;
  const press = (event: FormEvent) => {
    event.preventDefault();
    if (blocked) return;
    send.mutate(ballot, {
      onSuccess: ({ operation }) => {
        onClose();
        if (operation) navigate(operationPath(operation.id));
      },
    });
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <CliLine command={command} />
          <div className="dialog-actions">
            <button type="button" className="button" onClick={onClose}>
              Cancel
            </button>
            {member && (
              <button type="submit" form={form} className={`button ${submit.look}`} disabled={blocked}>
                {submit.words}
              </button>
            )}
          </div>
        </>
      }
    >
      <form id={form} className="form" onSubmit={press}>
        {members.length > 1 && member && <ActorSelect members={members} member={member} onMember={onMember} />}
        {children}
        {plan.data && plan.data.warnings.map((warning) => <Warning key={warning} text={warning} />)}
        {plan.isError && <Failed error={plan.error} what="It cannot be sent" onRetry={() => void plan.refetch()} />}
        {send.isError && <Failed error={send.error} what="It was not sent" />}
      </form>
    </Dialog>
  );
}

interface ActorSelectProps {
  members: readonly NetworkMember[];
  member: NetworkMember;
  onMember: (member: NetworkMember) => void;
}

function ActorSelect({ members, member, onMember }: ActorSelectProps) {
  return (
    <Select
      label="For the member"
      value={String(member.id)}
      options={members.map((one) => ({ value: String(one.id), name: one.organization }))}
      onChange={(id) => {
        const chosen = members.find((one) => String(one.id) === id);
        if (chosen) onMember(chosen);
      }}
    />
  );
}

function Warning({ text }: { text: string }) {
  return (
    <p className="hint warning" role="status">
      <Icon name="warning" />
      <Prose text={text} />
    </p>
  );
}

/** Why nothing can be sent from here. */
export function NoKey({ children }: { children: ReactNode }) {
  return (
    <p className="hint warning">
      <Icon name="warning" />
      {children} The command prints the transaction, for the tool that holds the key.
    </p>
  );
}
