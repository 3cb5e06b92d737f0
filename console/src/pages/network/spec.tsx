// What was declared, as a table to read and a file to apply.
import type { Network, Recovered } from "../../api/types";
import { formatDuration, formatNumber, formatWei, plural } from "../../lib/format";
import { sleepsAfter } from "../../lib/life";
import { diskLimit, memoryLimit, processorLimit } from "../../lib/limits";
import { toToml } from "../../lib/manifest";
import { spanWords } from "../../lib/time-span";
import { CliLine, CodeBlock, Hash } from "../../ui/copy";
import { Age } from "../../ui/time";

export function SpecTab({ network }: { network: Network }) {
  const file = `${network.name}.toml`;
  return (
    <>
      <section className="panel" aria-labelledby="spec-title">
        <h2 id="spec-title">Declared</h2>
        <SpecPairs network={network} />
      </section>
      <section className="panel" aria-labelledby="file-title">
        <h2 id="file-title">As a file</h2>
        <p className="hint">{file} declares this network; applied again, it changes nothing.</p>
        <CodeBlock code={toToml({ name: network.name, ...network.spec })} what={file} />
        <CliLine command={`windlass apply -f ${file} --dry-run`} />
      </section>
    </>
  );
}

/** That the network began anew is said wherever its genesis is. */
function RecoveredText({ recovered }: { recovered: Recovered }) {
  return (
    <>
      <Age atMs={recovered.at_ms} />, with the state of <Hash value={recovered.predecessor} what="genesis hash of the network before" /> after
      block <span className="number">{formatNumber(recovered.block.number)}</span>; {recovered.signed_by.join(", ")} signed, of{" "}
      {plural(recovered.members, "member")}
    </>
  );
}

function SpecPairs({ network }: { network: Network }) {
  const { spec } = network;
  const fees = spec.fees.policy === "free" ? "free" : `EIP-1559, at least ${formatWei(String(spec.fees.floor_wei ?? 1e9))} per gas`;
  const pairs: readonly (readonly [string, React.ReactNode])[] = [
    ["Engine", spec.engine],
    ["Kind", spec.kind],
    ["Chain id", <span className="number">{spec.chain_id}</span>],
    ["Genesis", network.genesis_hash ? <Hash value={network.genesis_hash} what="genesis hash" long /> : "not made yet"],
    ...(network.recovered
      ? [["Recovered", <RecoveredText recovered={network.recovered} />] as const]
      : []),
    ...(network.lease
      ? [["Lease", <><span className="mono">{network.lease}</span>: the network is destroyed when nobody holds it</>] as const]
      : []),
    ["Members", spec.members.map((member) => `${member.organization} (${plural(member.validators, "validator")})`).join(", ")],
    ["Gas limit of a block", `${formatNumber(spec.gas_limit)} gas`],
    ["Gas cap of a transaction", `${formatNumber(spec.transaction_gas_cap)} gas`],
    ["Contract size limit", `${formatNumber(spec.contract_size_limit)} bytes`],
    ["Shortest block time", formatDuration(spec.min_block_interval_ms)],
    ["Epoch", plural(spec.epoch_length, "block")],
    ["Fees", fees],
    ["Web origins", spec.cors_origins.length === 0 ? "none" : spec.cors_origins.join(", ")],
    ["Accounts in block 0", formatNumber(Object.keys(spec.alloc).length)],
    ["Memory limit of a node", memoryLimit(spec.node_limits)],
    ["Processor limit of a node", processorLimit(spec.node_limits)],
    ["Disk limit of a node", diskLimit(spec.node_limits)],
    ["Time to live", spec.ttl_s ? spanWords(spec.ttl_s) : "without an end"],
    ["States", spec.archive ? "of all blocks" : "of the last 8,192 blocks"],
    ["Catching up", spec.sync === "full" ? "block by block" : "from the state of peers"],
    ["Falls asleep", sleepsAfter(spec) ?? "never"],
    ["Generation", <span className="number">{network.generation}</span>],
    ["Id", <span className="mono">{network.id}</span>],
  ];
  return (
    <dl className="pairs">
      {pairs.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
