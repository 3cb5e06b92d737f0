// What a destroy hands back: everything that existed, and how it was verified gone.
import type { ReleaseReceipt } from "../api/types";
import { capitalise, formatDuration, plural } from "../lib/format";
import { CopyButton } from "./copy";
import { Age } from "./time";

export function ReceiptPanel({ receipt }: { receipt: ReleaseReceipt }) {
  return (
    <section className="panel flush" aria-labelledby="receipt-title" data-testid="receipt">
      <div className="panel-head">
        <h2 id="receipt-title">Release receipt</h2>
        <CopyButton text={JSON.stringify(receipt, null, 2)} what="receipt as JSON">
          JSON
        </CopyButton>
      </div>
      <p className="panel-text">
        {receipt.name} is gone. {plural(receipt.released.length, "thing")} existed; each is verified gone, in{" "}
        {formatDuration(receipt.completed_at_ms - receipt.requested_at_ms)}: {kinds(receipt)}.
      </p>
      <table className="table receipt">
        <caption className="visually-hidden">Everything that was released</caption>
        <thead>
          <tr>
            <th scope="col">Kind</th>
            <th scope="col">What</th>
            <th scope="col" className="wide">Whose</th>
            <th scope="col">Verified</th>
            <th scope="col" className="col-number wide">When</th>
          </tr>
        </thead>
        <tbody>
          {receipt.released.map((released, index) => (
            <tr key={index}>
              <th scope="row">{capitalise(released.kind)}</th>
              <td className="mono breaks">{released.name}</td>
              <td className="wide owner">{released.owner}</td>
              <td>{released.verified}</td>
              <td className="col-number wide muted">
                <Age atMs={released.released_at_ms} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** `4 processes, 8 keys, 1 endpoint` */
function kinds(receipt: ReleaseReceipt): string {
  const counts = new Map<string, number>();
  for (const { kind } of receipt.released) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const plurals: Record<string, string> = { process: "processes", directory: "directories" };
  return [...counts]
    .map(([kind, count]) => (count > 1 && plurals[kind] !== undefined ? `${count} ${plurals[kind]}` : plural(count, kind)))
    .join(", ");
}
