// Who may use the endpoint: its keys, what each may, and how one is made, rotated and revoked.
import { useState } from "react";
import { useKeys } from "../../api/keys";
import type { EndpointKey, Network } from "../../api/types";
import { rateWords, scopeWords } from "../../lib/keys";
import { Failed, Skeleton } from "../../ui/feedback";
import { Age, Moment } from "../../ui/time";
import { CreateKeyDialog, RevokeKeyDialog, RotateKeyDialog } from "./key-dialogs";

type Asked = { what: "create" } | { what: "rotate" | "revoke"; key: EndpointKey };

export function KeysPanel({ network }: { network: Network }) {
  const query = useKeys(network);
  const [asked, setAsked] = useState<Asked | null>(null);
  const close = () => setAsked(null);
  const keys = query.data;
  return (
    <section className="panel flush" aria-labelledby="keys-title">
      <div className="panel-head">
        <h2 id="keys-title">Keys</h2>
        <span className="muted">who may use the endpoint, for what and how often</span>
        <button type="button" className="button" disabled={keys === undefined} onClick={() => setAsked({ what: "create" })}>
          Create a key…
        </button>
      </div>
      {query.isError && <Failed error={query.error} what="The keys could not be read" onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton rows={2} label="keys" />}
      {keys && <KeysTable network={network} keys={keys} onAsk={setAsked} />}
      {asked?.what === "create" && <CreateKeyDialog network={network} taken={(keys ?? []).map((key) => key.name)} onClose={close} />}
      {asked?.what === "rotate" && <RotateKeyDialog network={network} name={asked.key.name} onClose={close} />}
      {asked?.what === "revoke" && <RevokeKeyDialog network={network} name={asked.key.name} onClose={close} />}
    </section>
  );
}

interface KeysTableProps {
  network: Network;
  keys: readonly EndpointKey[];
  onAsk: (asked: Asked) => void;
}

function KeysTable({ network, keys, onAsk }: KeysTableProps) {
  return (
    <table className="table keys">
      <caption className="visually-hidden">Keys of {network.name}</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Allows</th>
          <th scope="col">Rate</th>
          <th scope="col" className="wide">Created</th>
          <th scope="col">
            <span className="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.name} data-testid={`key-${key.name}`}>
            <th scope="row">
              {key.name}
              {key.rotated_at_ms != null && (
                <span className="sub muted">
                  rotated <Age atMs={key.rotated_at_ms} />
                </span>
              )}
              {key.former_until_ms != null && (
                <span className="sub muted">
                  the URL before ends <Moment atMs={key.former_until_ms} />
                </span>
              )}
            </th>
            <td>{scopeWords(key)}</td>
            <td>{rateWords(key)}</td>
            <td className="wide muted">
              <Age atMs={key.created_at_ms} />
            </td>
            <td>
              <div className="row-actions">
                <button type="button" className="button small" aria-label={`Rotate ${key.name}`} onClick={() => onAsk({ what: "rotate", key })}>
                  Rotate…
                </button>
                <button type="button" className="button small danger" aria-label={`Revoke ${key.name}`} onClick={() => onAsk({ what: "revoke", key })}>
                  Revoke…
                </button>
              </div>
            </td>
          </tr>
        ))}
        {keys.length === 0 && (
          <tr>
            <td colSpan={5} className="muted">
              No key: nobody can use the endpoint until one is created.
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}
