// The way to reach the network: its URL, and the first lines for five clients.
import { useState } from "react";
import type { Network } from "../../api/types";
import { snippets } from "../../lib/snippets";
import type { Tab } from "../../router";
import { CodeBlock, CopyButton } from "../../ui/copy";
import { Icon } from "../../ui/icons";
import { Tabs } from "../../ui/tabs";

/** Whoever has just made a network wants to connect; later the chain is what one looks for. */
const NEW_FOR_MS = 60 * 60 * 1000;

interface EndpointProps {
  network: Network;
  endpoint: string;
  tab: Tab;
}

/** The URL on every tab; how to connect on the overview. */
export function EndpointPanel({ network, endpoint, tab }: EndpointProps) {
  const [open, setOpen] = useState(() => Date.now() - network.created_at_ms < NEW_FOR_MS);
  return (
    <section className="panel endpoint" aria-labelledby="endpoint-title">
      <div className="url">
        <h2 id="endpoint-title">Endpoint</h2>
        <code className="mono" data-testid="endpoint">
          {endpoint}
        </code>
        <CopyButton text={endpoint} what="endpoint">
          Copy
        </CopyButton>
      </div>
      {network.local_endpoint && (
        <p className="sub muted">
          Programs on this machine reach it at <code className="mono">{network.local_endpoint}</code> too, without a key.
        </p>
      )}
      {tab === "overview" && (
        <details className="disclosure" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>
            <Icon name="chevron" />
            Connect with viem, ethers, Hardhat, Foundry or curl
          </summary>
          {open && <Connect network={network} endpoint={endpoint} />}
        </details>
      )}
    </section>
  );
}

function Connect({ network, endpoint }: { network: Network; endpoint: string }) {
  const all = snippets({
    name: network.name,
    chainId: network.spec.chain_id,
    endpoint,
    free: network.spec.fees.policy === "free",
  });
  const [selected, setSelected] = useState("viem");
  const shown = all.find((snippet) => snippet.id === selected);
  return (
    <div className="connect">
      <Tabs
        label="Connect with"
        tabs={all.map((snippet) => ({ id: snippet.id, name: snippet.client }))}
        selected={selected}
        onSelect={setSelected}
      >
        {shown && <CodeBlock code={shown.code} what={`${shown.client} snippet`} />}
      </Tabs>
      <p className="hint">
        The URL holds its own key: whoever has it can use the network. It stays the same through sleep, stop and start, until the key is rotated.
      </p>
    </div>
  );
}
