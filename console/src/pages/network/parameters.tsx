// What the members decide of blocks, fees, permissions and votes, as it holds now.
import { useParameters } from "../../api/governance";
import type { Network, NetworkParameters } from "../../api/types";
import { formatDuration, formatNumber, formatWei } from "../../lib/format";
import { otherCommands } from "../../lib/proposing";
import { CliLine } from "../../ui/copy";
import { Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { AsOf, Unread } from "./silent";

export function ParametersPanel({ network }: { network: Network }) {
  const parameters = useParameters(network);
  const failed = parameters.isError && parameters.data === undefined;
  return (
    <section className="panel flush" aria-labelledby="parameters-title">
      <div className="panel-head">
        <h2 id="parameters-title">Parameters</h2>
        {parameters.data && <AsOf network={network} query={parameters} />}
      </div>
      {failed && (
        <Unread network={network} what="The parameters" error={parameters.error} onRetry={() => void parameters.refetch()} />
      )}
      {!failed && parameters.data === undefined && <Skeleton rows={4} label="parameters" />}
      {parameters.data && <Pairs parameters={parameters.data} />}
      <Others network={network} />
    </section>
  );
}

function Pairs({ parameters }: { parameters: NetworkParameters }) {
  const { fees, thresholds, permissioned, next_rules: next } = parameters;
  const pairs: readonly (readonly [string, string])[] = [
    ["To change members", `more than ${thresholds.membership} % of the members`],
    ["To change parameters", `more than ${thresholds.parameters} % of the members`],
    ["A proposal takes votes", `for ${formatDuration(parameters.proposal_lifetime_s * 1000)}`],
    ["Gas limit of a block", `${formatNumber(parameters.gas_limit)} gas`],
    ["Fees", fees.policy === "free" ? "free" : `EIP-1559, at least ${formatWei(String(fees.floor_wei ?? 1e9))} per gas`],
    ["Shortest block time", formatDuration(parameters.min_block_interval_ms)],
    ["Permissions", permissioned.length === 0 ? "needed for nothing" : `needed to ${permissioned.join(" and to ")}`],
    ["Permitted accounts", formatNumber(parameters.permitted_accounts)],
    ["Rules of blocks", `version ${parameters.rules_version}${next ? `, ${next.version} from block ${formatNumber(next.height)} on` : ""}`],
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

/** What has no form here has a command. */
function Others({ network }: { network: Network }) {
  return (
    <details className="disclosure others">
      <summary>
        <Icon name="chevron" />
        Propose something else
      </summary>
      <dl className="commands">
        {otherCommands(network.name).map(({ what, command }) => (
          <div key={command}>
            <dt>{what}</dt>
            <dd>
              <CliLine command={command} label={what} />
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
