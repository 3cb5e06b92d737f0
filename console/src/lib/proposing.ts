// What can be proposed here about a member or a validator: the request, the command that does the same,
// and what it takes away and leaves. Pure.
import type { Action, NetworkMember, NetworkValidator, Proposal, ProposalRequest, Voice } from "../api/types";
import { plural } from "./format";

export const CHANGES = ["suspend", "resume", "remove"] as const;
export type Change = (typeof CHANGES)[number];

export type Subject = { role: "member"; member: NetworkMember } | { role: "validator"; validator: NetworkValidator };

export function subjectName(subject: Subject): string {
  return subject.role === "member" ? subject.member.organization : subject.validator.name;
}

/** The changes that its state allows. */
export function changesOf(subject: Subject): readonly Change[] {
  const { state } = subject.role === "member" ? subject.member : subject.validator;
  return state === "suspended" ? ["resume", "remove"] : ["suspend", "remove"];
}

export function actionOf(subject: Subject, change: Change): Action {
  if (subject.role === "member") return { action: `${change}_member`, member: subject.member.id };
  return { action: `${change}_validator`, validator: subject.validator.id };
}

export interface Draft {
  subject: Subject;
  change: Change;
  member: NetworkMember;
  reason: string;
}

export function requestOf({ subject, change, member, reason }: Draft): ProposalRequest {
  return { as: member.id, actions: [actionOf(subject, change)], ...(reason === "" ? {} : { reason }) };
}

/** Its reason has so many bytes at most. */
export const REASON_BYTES = 256;

export function reasonError(reason: string): string | undefined {
  const bytes = new TextEncoder().encode(reason).length;
  return bytes > REASON_BYTES ? `That is ${bytes} bytes; a reason has ${REASON_BYTES} at most` : undefined;
}

/** A word of a command line as a shell reads it: other members choose names and reasons. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,=][\w./:@%+,=-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** How a command names somebody: by name, unless another one has it or it would be read as an id. */
export function reference(one: { id: number; name: string }, all: readonly { name: string }[]): string {
  const alone = all.filter((other) => other.name === one.name).length <= 1;
  return alone && /^[a-z][\w.-]*$/i.test(one.name) ? one.name : String(one.id);
}

function memberReference(member: NetworkMember, members: readonly NetworkMember[]): string {
  const named = ({ id, organization }: NetworkMember) => ({ id, name: organization });
  return reference(named(member), members.map(named));
}

/** The members and validators among which commands name them. */
export interface Roll {
  members: readonly NetworkMember[];
  validators: readonly NetworkValidator[];
}

export function proposeCommand(network: string, draft: Omit<Draft, "member"> & { member: NetworkMember | null }, roll: Roll): string {
  const { subject, change, member, reason } = draft;
  const named = subject.role === "member" ? memberReference(subject.member, roll.members) : reference(subject.validator, roll.validators);
  return [
    `windlass network propose ${network}`,
    ...asWords(member, roll.members),
    `${change}-${subject.role} ${named}`,
    ...(reason === "" ? [] : [`--reason ${shellWord(reason)}`]),
  ].join(" ");
}

/** A member whose key is elsewhere has its transaction printed, for the tool that holds the key. */
function asWords(member: NetworkMember | null, members: readonly NetworkMember[]): string[] {
  return member === null ? ["--as MEMBER --print"] : [`--as ${memberReference(member, members)}`];
}

export function voteCommand(network: string, proposal: Pick<Proposal, "id">, voice: Voice, member: NetworkMember | null, members: readonly NetworkMember[]): string {
  return [`windlass network vote ${network} ${proposal.id} ${voice}`, ...asWords(member, members)].join(" ");
}

export function settleCommand(network: string, proposal: Pick<Proposal, "id">, member: NetworkMember | null, members: readonly NetworkMember[]): string {
  return [`windlass network settle ${network} ${proposal.id}`, ...asWords(member, members)].join(" ");
}

/** What a change takes and what it leaves, or what it brings back. */
export interface Consequences {
  lost: readonly string[];
  kept: readonly string[];
  back: readonly string[];
}

export function consequences(network: string, subject: Subject, change: Change): Consequences {
  if (subject.role === "member") return ofMember(subject.member, change);
  return ofValidator(network, subject.validator, change);
}

function ofValidator(network: string, validator: NetworkValidator, change: Change): Consequences {
  const node = validator.node_name ?? null;
  switch (change) {
    case "suspend":
      return {
        lost: ["its vote on blocks, from the next epoch on"],
        kept: ["its seat and its keys: the members can resume it", "its node, which goes on following the chain"],
        back: [],
      };
    case "resume":
      return { lost: [], kept: [], back: ["its vote on blocks, from the next epoch on"] };
    case "remove":
      return {
        lost: ["its seat, and its vote on blocks from the next epoch on", "its node key and consensus key: neither can come back"],
        kept: [
          node === null
            ? "its node's process and data, with whoever runs it"
            : `its node's process and data, until \`windlass network node rm ${network} ${shellWord(node)}\``,
        ],
        back: [],
      };
  }
}

function ofMember(member: NetworkMember, change: Change): Consequences {
  const validators = plural(member.validators.length, "validator");
  const nodes = [validators, ...(member.observers.length > 0 ? [plural(member.observers.length, "observer")] : [])].join(" and ");
  switch (change) {
    case "suspend":
      return {
        lost: [
          "its votes on proposals, at once; those that it has cast count no more",
          `the votes of its ${validators} on blocks, from the next epoch on`,
          "its say over its endpoint, its account and its observers",
        ],
        kept: ["its seat, its keys and its nodes: the members can resume it"],
        back: [],
      };
    case "resume":
      return {
        lost: [],
        kept: [],
        back: ["its votes on proposals, at once", `the votes of its ${validators} on blocks, from the next epoch on`],
      };
    case "remove":
      return {
        lost: [
          "its seat, and its votes on proposals",
          `its ${nodes}, with keys that can never come back`,
        ],
        kept: ["the processes and data of its nodes, with whoever runs them", "the organization and its account can become a member again, by a vote"],
        back: [],
      };
  }
}

/** How many validators have a vote now, and would after a change. */
export function voicesAfter(subject: Subject, change: Change, roll: Roll): { before: number; after: number } {
  const active = roll.validators.filter((validator) => validator.active);
  const suspended = new Set(roll.members.filter((member) => member.state !== "active").map((member) => member.id));
  const concerned = (validator: NetworkValidator) =>
    subject.role === "member" ? validator.member.id === subject.member.id : validator.id === subject.validator.id;
  if (change !== "resume") return { before: active.length, after: active.filter((validator) => !concerned(validator)).length };
  const returns = roll.validators.filter(
    (validator) =>
      concerned(validator) &&
      !validator.active &&
      (subject.role === "member" ? validator.state === "active" : !suspended.has(validator.member.id)),
  );
  return { before: active.length, after: active.length + returns.length };
}

/** What else members decide, and the command that proposes it. */
export function otherCommands(network: string): readonly { what: string; command: string }[] {
  const propose = (rest: string) => `windlass network propose ${network} --as MEMBER ${rest}`;
  return [
    { what: "A node of this platform becomes a validator", command: propose("add-validator MEMBER --node NODE") },
    { what: "An organization becomes a member", command: propose("add-member ORGANIZATION --node NODE") },
    { what: "A validator gets another key", command: propose("replace-key VALIDATOR consensus") },
    { what: "Another gas limit of blocks", command: propose("set gas-limit 60000000") },
    { what: "What transactions pay", command: propose("set fees eip1559") },
    { what: "Another pause between blocks", command: propose("set block-interval 200ms") },
    { what: "Sending or deploying takes a permission", command: propose("set permissioning --senders on --deployers on") },
    { what: "An account gets permissions", command: propose("allow ADDRESS --send --deploy") },
    { what: "Another threshold", command: propose("set threshold --members 60 --parameters 51") },
    { what: "Several actions at once, from a file", command: `windlass network propose ${network} -f proposal.toml` },
  ];
}
