// What each node may have of memory and disk, and has.
import type { Network } from "../../api/types";
import { plural } from "../../lib/format";
import { diskWarning, limitWords, nodeShares, type Share } from "../../lib/limits";
import { Icon } from "../../ui/icons";
import { Meter } from "../../ui/meter";
import { Marked } from "../../ui/prose";

/** More rows than that are no overview. */
const MOST_ROWS = 7;

export function LimitsPanel({ network }: { network: Network }) {
  const limits = network.spec.node_limits;
  const rows = nodeShares(network, MOST_ROWS);
  const hidden = network.nodes.length - rows.length;
  return (
    <section className="panel flush" aria-labelledby="limits-title">
      <div className="panel-head">
        <h2 id="limits-title">Limits</h2>
        <span className="muted">of each node</span>
      </div>
      <table className="table shares">
        <caption className="visually-hidden">What the nodes of {network.name} have of their limits</caption>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">Memory</th>
            <th scope="col">Disk</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, memory, disk }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <ShareCell what={`Memory of ${name}`} share={memory} />
              <ShareCell what={`Disk of ${name}`} share={disk} />
            </tr>
          ))}
        </tbody>
      </table>
      {hidden > 0 && <p className="panel-text muted">The fullest {MOST_ROWS}; {plural(hidden, "more node")} have less of their limits.</p>}
      <Warning network={network} />
      <p className="panel-text hint">{limitWords(limits)}</p>
    </section>
  );
}

function ShareCell({ what, share }: { what: string; share: Share | null }) {
  if (share === null) return <td className="muted">–</td>;
  return (
    <td>
      <span className="number">{share.words}</span>
      {share.of !== null && <Meter label={what} words={share.words} held={share.mib} limit={share.of} fill={share.fill} />}
    </td>
  );
}

function Warning({ network }: { network: Network }) {
  const warning = diskWarning(network);
  if (warning === null) return null;
  return (
    <div className={`notice ${warning.fill === "full" ? "bad" : "warn"}`} role="status">
      <Icon name="warning" />
      <p>
        <Marked text={warning.words} />
      </p>
    </div>
  );
}
