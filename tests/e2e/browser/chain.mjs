// An account of its own on a network, through its endpoint and with viem's defaults.
import { createPublicClient, createWalletClient, defineChain, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

export class Chain {
  static async at(endpoint) {
    const probe = createPublicClient({ transport: http(endpoint) });
    const chain = defineChain({
      id: await probe.getChainId(),
      name: "journey",
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [endpoint] } },
    });
    return new Chain(endpoint, chain);
  }

  constructor(endpoint, chain) {
    const transport = http(endpoint);
    this.endpoint = endpoint;
    this.account = privateKeyToAccount(generatePrivateKey());
    this.reader = createPublicClient({ chain, transport, pollingInterval: 50 });
    this.wallet = createWalletClient({ chain, transport, account: this.account });
  }

  /** Sends a transaction without value from an account without balance; returns when it is final. */
  async send() {
    const hash = await this.wallet.sendTransaction({ to: this.account.address, value: 0n });
    const receipt = await this.reader.waitForTransactionReceipt({ hash, timeout: 15_000 });
    return { hash, block: Number(receipt.blockNumber) };
  }

  async answers() {
    try {
      const response = await fetch(this.endpoint, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}',
      });
      return response.ok;
    } catch {
      return false;
    }
  }
}
