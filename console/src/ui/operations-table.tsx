// Operations, newest first; each links to its own page.
import type { Operation } from "../api/types";
import { formatDuration } from "../lib/format";
import { operationLabel, operationWord } from "../lib/networks";
import { Link, networkPath, operationPath } from "../router";
import { State } from "./state";
import { Age } from "./time";

interface OperationsTableProps {
  operations: readonly Operation[];
  /** Names of networks that are there, for links. */
  present?: ReadonlySet<string>;
  showNetwork?: "yes" | "no";
}

export function OperationsTable({ operations, present, showNetwork = "yes" }: OperationsTableProps) {
  return (
    <table className="table operations">
      <caption className="visually-hidden">Operations, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Operation</th>
          {showNetwork === "yes" && <th scope="col">Network</th>}
          <th scope="col">State</th>
          <th scope="col" className="col-number wide">Took</th>
          <th scope="col" className="col-number">When</th>
        </tr>
      </thead>
      <tbody>
        {operations.map((operation) => (
          <tr key={operation.id}>
            <th scope="row">
              <Link to={operationPath(operation.id)} className="row-link">
                {operationWord(operation.kind)}
              </Link>
            </th>
            {showNetwork === "yes" && (
              <td className="name">
                {present?.has(operation.network) ? (
                  <Link to={networkPath(operation.network_name)} className="above">
                    {operation.network_name}
                  </Link>
                ) : (
                  operation.network_name
                )}
              </td>
            )}
            <td>
              <State label={operationLabel(operation.state)} />
            </td>
            <td className="col-number wide">
              <span className="number">
                {operation.finished_at_ms == null ? "–" : formatDuration(operation.finished_at_ms - operation.created_at_ms)}
              </span>
            </td>
            <td className="col-number muted">
              <Age atMs={operation.created_at_ms} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
