// The members, each followed by its validators and observers.
import type { Network, NetworkMember, NetworkValidator } from "../../api/types";
import { type ObserverSeat, type Seats, seatLabel, validatorLabel, votingNote } from "../../lib/governance";
import { type Subject, subjectName } from "../../lib/proposing";
import { Link, networkPath } from "../../router";
import { Hash } from "../../ui/copy";
import { State } from "../../ui/state";

interface MembersTableProps {
  network: Network;
  seats: readonly Seats[];
  /** Absent while nothing can be proposed. */
  onPropose: ((subject: Subject) => void) | null;
}

export function MembersTable({ network, seats, onPropose }: MembersTableProps) {
  return (
    <table className="table members">
      <caption className="visually-hidden">Members of {network.name}, each with its validators and observers</caption>
      <thead>
        <tr>
          <th scope="col">Name and key</th>
          <th scope="col">State</th>
          <th scope="col" className="wide">On this platform</th>
          <th scope="col" className="wide">Endpoint</th>
          <th scope="col">
            <span className="visually-hidden">Propose</span>
          </th>
        </tr>
      </thead>
      {seats.map((one) => (
        <tbody key={one.member.id}>
          <MemberRow member={one.member} onPropose={onPropose} />
          {one.validators.map((validator) => (
            <ValidatorRow key={validator.id} network={network} validator={validator} onPropose={onPropose} />
          ))}
          {one.observers.map((observer) => (
            <ObserverRow key={observer.node_key} network={network} observer={observer} />
          ))}
        </tbody>
      ))}
    </table>
  );
}

function MemberRow({ member, onPropose }: { member: NetworkMember; onPropose: MembersTableProps["onPropose"] }) {
  return (
    <tr className="member-row">
      <th scope="row">
        <span className="breaks">{member.organization}</span>
        <span className="sub">
          <Hash value={member.account} what={`account of ${member.organization}`} />
        </span>
        {member.endpoint !== "" && <span className="sub muted narrow breaks">{member.endpoint}</span>}
      </th>
      <td>
        <State label={seatLabel(member.state)} />
      </td>
      <td className="wide">{member.key_held ? "its key" : <span className="muted">–</span>}</td>
      <EndpointCell endpoint={member.endpoint} />
      <ProposeCell subject={{ role: "member", member }} onPropose={onPropose} />
    </tr>
  );
}

interface ValidatorRowProps {
  network: Network;
  validator: NetworkValidator;
  onPropose: MembersTableProps["onPropose"];
}

function ValidatorRow({ network, validator, onPropose }: ValidatorRowProps) {
  const note = votingNote(validator);
  return (
    <tr>
      <th scope="row">
        <span className="breaks">{validator.name}</span>
        <span className="sub">
          <Hash value={validator.node_key} what={`node key of ${validator.name}`} />
        </span>
      </th>
      <td>
        <State label={validatorLabel(validator)} />
        {note !== null && <span className="sub muted">{note}</span>}
      </td>
      <NodeCell network={network} node={validator.node_name ?? null} />
      <EndpointCell endpoint={validator.endpoint} />
      <ProposeCell subject={{ role: "validator", validator }} onPropose={onPropose} />
    </tr>
  );
}

function ObserverRow({ network, observer }: { network: Network; observer: ObserverSeat }) {
  return (
    <tr>
      <th scope="row">
        <span className="breaks">{observer.name ?? "Observer"}</span>
        <span className="sub">
          <Hash value={observer.node_key} what={`node key of ${observer.name ?? "an observer"}`} />
        </span>
      </th>
      <td>
        <State label={observer.active ? { tone: "good", word: "Observes" } : { tone: "warn", word: "Suspended" }} />
        {!observer.active && <span className="sub muted">its member is suspended</span>}
      </td>
      <NodeCell network={network} node={observer.name} />
      <EndpointCell endpoint={observer.endpoint} />
      <td />
    </tr>
  );
}

function NodeCell({ network, node }: { network: Network; node: string | null }) {
  return (
    <td className="wide">
      {node === null ? (
        <span className="muted">–</span>
      ) : (
        <Link to={networkPath(network.name, "logs", node)} title={`Logs of ${node}`}>
          {node}
        </Link>
      )}
    </td>
  );
}

function EndpointCell({ endpoint }: { endpoint: string }) {
  return <td className="wide breaks">{endpoint === "" ? <span className="muted">–</span> : <span className="mono">{endpoint}</span>}</td>;
}

function ProposeCell({ subject, onPropose }: { subject: Subject; onPropose: MembersTableProps["onPropose"] }) {
  return (
    <td className="col-action">
      {onPropose && (
        <button
          type="button"
          className="button small"
          aria-label={`Propose a change of ${subject.role} ${subjectName(subject)}`}
          onClick={() => onPropose(subject)}
        >
          Propose…
        </button>
      )}
    </td>
  );
}
