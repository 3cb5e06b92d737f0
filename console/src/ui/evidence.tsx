// Why a network may be called usable: what was asked of it, and what it answered.
import type { Evidence } from "../api/types";
import { capitalise, formatDuration, formatNumber } from "../lib/format";
import { CopyButton, Hash } from "./copy";

export function EvidencePanel({ evidence }: { evidence: Evidence }) {
  return (
    <section className="panel flush" aria-labelledby="evidence-title">
      <div className="panel-head">
        <h2 id="evidence-title">Evidence</h2>
        <CopyButton text={JSON.stringify(evidence, null, 2)} what="evidence as JSON">
          JSON
        </CopyButton>
      </div>
      <dl className="pairs">
        <div>
          <dt>Chain id</dt>
          <dd className="number">{evidence.chain_id}</dd>
        </div>
        <div>
          <dt>Genesis</dt>
          <dd>
            <Hash value={evidence.genesis_hash} what="genesis hash" long />
          </dd>
        </div>
        <div>
          <dt>Test transaction</dt>
          <dd>
            <Hash value={evidence.test_transaction} what="transaction hash" long /> in block{" "}
            <span className="number">{formatNumber(evidence.test_block.number)}</span>
          </dd>
        </div>
        <div>
          <dt>The endpoint answered</dt>
          <dd>
            block <span className="number">{formatNumber(evidence.endpoint_block)}</span>
          </dd>
        </div>
      </dl>
      <FirstBlocks evidence={evidence} />
      <StepTimes evidence={evidence} />
    </section>
  );
}

function FirstBlocks({ evidence }: { evidence: Evidence }) {
  return (
    <table className="table">
      <caption>The first final block, as each node reported it</caption>
      <thead>
        <tr>
          <th scope="col">Node</th>
          <th scope="col" className="col-number">Block</th>
          <th scope="col">Hash</th>
          <th scope="col" className="wide">Node key</th>
          <th scope="col" className="wide">Consensus key</th>
        </tr>
      </thead>
      <tbody>
        {evidence.nodes.map((node) => (
          <tr key={node.node}>
            <th scope="row">{node.node}</th>
            <td className="col-number">
              <span className="number">{formatNumber(node.first_block.number)}</span>
            </td>
            <td>
              <Hash value={node.first_block.hash} what="block hash" />
            </td>
            <td className="wide">
              <Hash value={node.node_key} what="node key" />
            </td>
            <td className="wide">
              <Hash value={node.consensus_key} what="consensus key" />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Bars with their numbers beside them: a chart that is its own table. */
function StepTimes({ evidence }: { evidence: Evidence }) {
  const longest = Math.max(1, ...evidence.steps.map((step) => step.milliseconds));
  const total = evidence.steps.reduce((sum, step) => sum + step.milliseconds, 0);
  return (
    <table className="table bars">
      <caption>Time of each step, {formatDuration(total)} in all</caption>
      <thead className="visually-hidden">
        <tr>
          <th scope="col">Step</th>
          <th scope="col">Share</th>
          <th scope="col">Time</th>
        </tr>
      </thead>
      <tbody>
        {evidence.steps.map((step) => (
          <tr key={step.step}>
            <th scope="row">{capitalise(step.step)}</th>
            <td className="bar-cell">
              <span className="bar" style={{ width: `${(100 * step.milliseconds) / longest}%` }} />
            </td>
            <td className="col-number">
              <span className="number">{formatDuration(step.milliseconds)}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
