// The way to reach the network: its URL, and the first lines for five clients.
import { useState } from "react";
import type { Network } from "../../api/types";
import { snippets } from "../../lib/snippets";
import { CodeBlock, CopyButton } from "../../ui/copy";
import { Tabs } from "../../ui/tabs";

export function EndpointPanel({ network, endpoint }: { network: Network; endpoint: string }) {
  return (
    <section className="panel endpoint" aria-labelledby="endpoint-title">
      <h2 id="endpoint-title">Endpoint</h2>
      <div className="url">
        <code className="mono" data-testid="endpoint">
          {endpoint}
        </code>
        <CopyButton text={endpoint} what="endpoint">
          Copy
        </CopyButton>
      </div>
      <p className="hint">
        JSON-RPC over HTTP. The URL holds its own key: whoever has it can use the network. It stays the same through stop and
        start.
      </p>
      <SnippetTabs network={network} endpoint={endpoint} />
    </section>
  );
}

function SnippetTabs({ network, endpoint }: { network: Network; endpoint: string }) {
  const all = snippets({
    name: network.name,
    chainId: network.spec.chain_id,
    endpoint,
    free: network.spec.fees.policy === "free",
  });
  const [selected, setSelected] = useState("viem");
  const shown = all.find((snippet) => snippet.id === selected);
  return (
    <Tabs
      label="Connect with"
      tabs={all.map((snippet) => ({ id: snippet.id, name: snippet.client }))}
      selected={selected}
      onSelect={setSelected}
    >
      {shown && <CodeBlock code={shown.code} what={`${shown.client} snippet`} />}
    </Tabs>
  );
}
