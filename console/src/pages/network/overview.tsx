// The network at a glance, live: its figures, its nodes, its last blocks and transactions.
import { type ReactNode, useState } from "react";
import { useBlocks } from "../../api/queries";
import type { BlockSummary, Network, Node } from "../../api/types";
import { formatBytes, formatNumber, formatWei } from "../../lib/format";
import { answersQuestions, asOfWords } from "../../lib/life";
import { memoryBytes, nodeLabel, roleLabel, runningNodes, sentence, toleratedFaults, validatorCount } from "../../lib/networks";
import { Link, networkPath } from "../../router";
import { CliLine, Hash } from "../../ui/copy";
import { Skeleton } from "../../ui/feedback";
import { State } from "../../ui/state";
import { Age, Ticking } from "../../ui/time";
import { KeysPanel } from "./keys";
import { ConditionsPanel } from "./conditions";
import { LimitsPanel } from "./limits";
import { Silent, Unread } from "./silent";
import { UsagePanel } from "./usage";

export function OverviewTab({ network }: { network: Network }) {
  return (
    <>
      <ConditionsPanel network={network} />
      <Figures network={network} />
      <NodesPanel network={network} />
      <div className="halves">
        <UsagePanel network={network} />
        <LimitsPanel network={network} />
      </div>
      {network.evidence && <KeysPanel network={network} />}
      {network.state !== "declared" && network.state !== "creating" && <ChainPanels network={network} />}
    </>
  );
}

function Figures({ network }: { network: Network }) {
  const validators = validatorCount(network);
  const memory = memoryBytes(network);
  return (
    <dl className="figures">
      <Figure name="Height" testId="height">
        <Ticking value={network.tip?.number} />
      </Figure>
      <Figure name="Nodes running">
        <span className="number">
          {runningNodes(network)} <small>of {validators}</small>
        </span>
      </Figure>
      <Figure name="Faults tolerated">
        <span className="number">{toleratedFaults(validators)}</span>
      </Figure>
      <Figure name="Memory">
        <span className="number">{memory === null ? "–" : formatBytes(memory)}</span>
      </Figure>
      <Figure name="Chain id">
        <span className="number">{network.spec.chain_id}</span>
      </Figure>
    </dl>
  );
}

function Figure({ name, testId, children }: { name: string; testId?: string; children: ReactNode }) {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd data-testid={testId}>{children}</dd>
    </div>
  );
}

function NodesPanel({ network }: { network: Network }) {
  return (
    <section className="panel flush" aria-labelledby="nodes-title">
      <div className="panel-head">
        <h2 id="nodes-title">Nodes</h2>
      </div>
      <table className="table nodes">
        <caption className="visually-hidden">Nodes of {network.name}</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col" className="col-number">Tip</th>
            <th scope="col" className="col-number wide">Connected</th>
            <th scope="col" className="col-number wide">Memory</th>
            <th scope="col" className="col-number">PID</th>
            <th scope="col" className="col-number wide">Started</th>
          </tr>
        </thead>
        <tbody>
          {network.nodes.map((node) => (
            <NodeRow key={node.id} network={network} node={node} />
          ))}
          {network.nodes.length === 0 && (
            <tr>
              <td colSpan={7} className="muted">
                No node yet.
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

function NodeRow({ network, node }: { network: Network; node: Node }) {
  return (
    <tr>
      <th scope="row">
        <Link to={networkPath(network.name, "logs", node.name)} title={`Logs of ${node.name}`}>
          {node.name}
        </Link>
        {roleLabel(node.role) !== null && <span className="sub muted">{roleLabel(node.role)}</span>}
        {node.restarts > 0 && <span className="sub muted">restarted {node.restarts}×</span>}
      </th>
      <td>
        <State label={nodeLabel(node.state)} />
        {node.reason && (
          <span className="sub muted" title={sentence(node.reason.remedy)}>
            {sentence(node.reason.message)}
          </span>
        )}
      </td>
      <td className="col-number">
        <Ticking value={node.tip?.number} />
      </td>
      <td className="col-number wide">
        <span className="number">
          {node.connected_validators == null ? "–" : `${node.connected_validators} of ${validatorCount(network)}`}
        </span>
      </td>
      <td className="col-number wide">
        <span className="number">{node.resident_bytes == null ? "–" : formatBytes(node.resident_bytes)}</span>
      </td>
      <td className="col-number">
        <span className="number">{node.pid ?? "–"}</span>
      </td>
      <td className="col-number wide muted">{node.started_at_ms == null ? "–" : <Age atMs={node.started_at_ms} />}</td>
    </tr>
  );
}

const CHAIN = "Its blocks and transactions";

function ChainPanels({ network }: { network: Network }) {
  const answers = answersQuestions(network) && network.health !== "unavailable";
  const blocks = useBlocks(network, answers);
  if (!answers && blocks.data === undefined) return network.state === "sleeping" ? <Silent network={network} what={CHAIN} /> : null;
  if (blocks.isError && blocks.data === undefined) {
    return <Unread network={network} what={CHAIN} error={blocks.error} onRetry={() => void blocks.refetch()} />;
  }
  if (blocks.data === undefined) return <Skeleton rows={4} label="blocks" />;
  return <Chain blocks={blocks.data} stale={answers ? null : asOfWords(network)} endpoint={network.endpoint ?? null} />;
}

function Chain({ blocks, stale, endpoint }: { blocks: readonly BlockSummary[]; stale: string | null; endpoint: string | null }) {
  const newest = [...blocks].sort((a, b) => b.number - a.number);
  // What was there when the page opened does not light up; what arrives does.
  const [seen] = useState(newest[0]?.number ?? 0);
  return (
    <div className="halves">
      <BlocksPanel blocks={newest} stale={stale} seen={seen} />
      <TransactionsPanel blocks={newest} endpoint={endpoint} seen={seen} />
    </div>
  );
}

function BlocksPanel({ blocks, stale, seen }: { blocks: readonly BlockSummary[]; stale: string | null; seen: number }) {
  return (
    <section className="panel flush" aria-labelledby="blocks-title">
      <div className="panel-head">
        <h2 id="blocks-title">Last blocks</h2>
        <span className="muted">{stale ?? "made only when there is work"}</span>
      </div>
      <table className="table blocks">
        <caption className="visually-hidden">Last blocks</caption>
        <thead>
          <tr>
            <th scope="col">Block</th>
            <th scope="col">Hash</th>
            <th scope="col" className="col-number">Txs</th>
            <th scope="col" className="col-number wide">Gas</th>
            <th scope="col" className="col-number">Age</th>
          </tr>
        </thead>
        <tbody>
          {blocks.slice(0, 10).map((block) => (
            <tr key={block.hash} className={block.number > seen ? "arrives" : undefined}>
              <th scope="row">
                <span className="number">{formatNumber(block.number)}</span>
              </th>
              <td>
                <Hash value={block.hash} what="block hash" />
              </td>
              <td className="col-number">
                <span className="number">{block.transactions.length}</span>
              </td>
              <td className="col-number wide">
                <span className="number">{formatNumber(block.gas_used)}</span>
              </td>
              <td className="col-number muted">
                {block.number === 0 ? "genesis" : <Age atMs={block.timestamp_ms} />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface TransactionsProps {
  blocks: readonly BlockSummary[];
  endpoint: string | null;
  seen: number;
}

function TransactionsPanel({ blocks, endpoint, seen }: TransactionsProps) {
  const transactions = blocks
    .flatMap((block) => [...block.transactions].reverse().map((transaction) => ({ block, transaction })))
    .slice(0, 10);
  return (
    <section className="panel flush" aria-labelledby="transactions-title">
      <div className="panel-head">
        <h2 id="transactions-title">Last transactions</h2>
      </div>
      {transactions.length === 0 ? (
        <div className="panel-empty">
          <p className="muted">None in the last blocks. Send one and it appears here:</p>
          <CliLine command={`cast send 0x0000000000000000000000000000000000000001 --rpc-url '${endpoint ?? "URL"}' --private-key KEY`} label="Send a transaction" />
        </div>
      ) : (
        <table className="table transactions">
          <caption className="visually-hidden">Last transactions</caption>
          <thead>
            <tr>
              <th scope="col">Hash</th>
              <th scope="col">From → to</th>
              <th scope="col" className="col-number">Value</th>
              <th scope="col" className="col-number wide">Block</th>
            </tr>
          </thead>
          <tbody>
            {transactions.map(({ block, transaction }) => (
              <tr key={transaction.hash} className={block.number > seen ? "arrives" : undefined} data-transaction={transaction.hash}>
                <th scope="row">
                  <Hash value={transaction.hash} what="transaction hash" />
                </th>
                <td>
                  <span className="from-to">
                    <Hash value={transaction.from} what="sender" />
                    <span className="to">
                      <span className="muted" aria-hidden="true">→</span>
                      {transaction.to ? <Hash value={transaction.to} what="recipient" /> : <em>new contract</em>}
                    </span>
                  </span>
                </td>
                <td className="col-number">
                  <span className="number">{formatWei(transaction.value)}</span>
                </td>
                <td className="col-number wide">
                  <span className="number">{formatNumber(block.number)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
