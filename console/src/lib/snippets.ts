// What a client's programmer pastes first: the endpoint's URL in five clients' own words. Pure.

export interface Snippet {
  id: string;
  client: string;
  language: string;
  code: string;
}

export interface SnippetInput {
  name: string;
  chainId: number;
  endpoint: string;
  /** Whether transactions pay no fee. */
  free: boolean;
}

/** A name such as `trade-eu` as a JavaScript identifier: `tradeEu`. */
export function identifier(name: string): string {
  return name.replace(/-+([a-z0-9])/g, (_, character: string) => character.toUpperCase());
}

export function snippets(input: SnippetInput): Snippet[] {
  const url = JSON.stringify(input.endpoint);
  return [
    { id: "viem", client: "viem", language: "ts", code: viem(input, url) },
    { id: "ethers", client: "ethers", language: "ts", code: ethers(url) },
    { id: "hardhat", client: "Hardhat", language: "ts", code: hardhat(input, url) },
    { id: "foundry", client: "Foundry", language: "sh", code: foundry(input) },
    { id: "curl", client: "curl", language: "sh", code: curl(input) },
  ];
}

function viem({ name, chainId }: SnippetInput, url: string): string {
  return `import { createPublicClient, defineChain, http } from "viem";

export const ${identifier(name)} = defineChain({
  id: ${chainId},
  name: "${name}",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [${url}] } },
});

const client = createPublicClient({ chain: ${identifier(name)}, transport: http() });
console.log(await client.getBlockNumber());`;
}

function ethers(url: string): string {
  return `import { JsonRpcProvider } from "ethers";

const provider = new JsonRpcProvider(${url});
console.log(await provider.getBlockNumber());`;
}

function hardhat({ name, chainId, free }: SnippetInput, url: string): string {
  return `// hardhat.config.ts
import type { HardhatUserConfig } from "hardhat/config";

const config: HardhatUserConfig = {
  solidity: "0.8.28",
  networks: {
    ${JSON.stringify(name)}: {
      type: "http",
      chainId: ${chainId},
      url: ${url},${free ? "\n      gasPrice: 0," : ""}
    },
  },
};

export default config;`;
}

function foundry({ endpoint }: SnippetInput): string {
  return `export ETH_RPC_URL='${endpoint}'

cast block-number
forge script script/Deploy.s.sol --rpc-url "$ETH_RPC_URL" --broadcast`;
}

function curl({ endpoint }: SnippetInput): string {
  return `curl -s '${endpoint}' \\
  -H 'content-type: application/json' \\
  -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'`;
}
