// Deploys an ERC-20 with viem and sends transfers from many accounts at once, as clients would.
import { readFileSync } from "node:fs";
import { createPublicClient, createWalletClient, defineChain, encodeFunctionData, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

const token = JSON.parse(
  readFileSync(new URL("../../contracts/build/Token.json", import.meta.url), "utf8"),
);

/** How many transfers an account has under way at a time. */
const WINDOW = 5;

/**
 * Runs the load and gives its figures. Every number is a client's: the time of a transfer is that
 * from sending it to seeing it in a final block.
 */
export async function load(endpoint, { accounts: count, transfers, progress }) {
  const network = await connect(endpoint);
  const contract = await deploy(network);
  const accounts = Array.from({ length: count }, () => privateKeyToAccount(generatePrivateKey()));
  const each = BigInt(transfers);
  await network.send("distribute", [accounts.map((account) => account.address), each], contract);

  const signed = await sign(network.chain.id, contract, accounts, transfers / count);
  const watcher = watch(network.reader);
  const times = [];
  const began = performance.now();
  await Promise.all(signed.map((raw) => sendAll(network.reader, watcher, raw, times, progress)));
  const seconds = (performance.now() - began) / 1000;
  const last = await watcher.stop();
  await verify(network.reader, contract, accounts, { transfers, each, last });

  times.sort((a, b) => a - b);
  const quantile = (q) => times[Math.min(times.length - 1, Math.floor(q * times.length))];
  return {
    contract,
    transfers: times.length,
    seconds,
    perSecond: times.length / seconds,
    p50: quantile(0.5),
    p99: quantile(0.99),
    blocks: watcher.blocks,
  };
}

async function connect(endpoint) {
  const transport = http(endpoint, { retryCount: 0 });
  const id = await createPublicClient({ transport }).getChainId();
  const chain = defineChain({
    id,
    name: "demo",
    nativeCurrency: { name: "none", symbol: "NONE", decimals: 18 },
    rpcUrls: { default: { http: [endpoint] } },
  });
  const reader = createPublicClient({ chain, transport, pollingInterval: 20, cacheTime: 0 });
  const owner = createWalletClient({
    chain,
    transport,
    account: privateKeyToAccount(generatePrivateKey()),
  });
  const send = async (functionName, args, address) => {
    const hash = await owner.writeContract({ address, abi: token.abi, functionName, args });
    const receipt = await reader.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`${functionName} was reverted`);
  };
  return { chain, reader, owner, send };
}

async function deploy({ reader, owner }) {
  const hash = await owner.deployContract({ ...token, args: ["Demo", "DEMO", 10n ** 24n] });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new Error("the deployment was reverted");
  return receipt.contractAddress;
}

/** Signs every transfer beforehand: each account pays the next one a single unit. */
function sign(chainId, contract, accounts, perAccount) {
  return Promise.all(
    accounts.map((account, index) => {
      const receiver = accounts[(index + 1) % accounts.length].address;
      const data = encodeFunctionData({ abi: token.abi, functionName: "transfer", args: [receiver, 1n] });
      const fields = { chainId, to: contract, data, gas: 100_000n, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n };
      return Promise.all(
        Array.from({ length: perAccount }, (_, nonce) =>
          account.signTransaction({ ...fields, type: "eip1559", nonce }),
        ),
      );
    }),
  );
}

/** Follows the chain's final blocks and wakes whoever waits for a transaction in them. */
function watch(reader) {
  const waiting = new Map();
  const seen = new Map();
  const state = { blocks: 0, running: true };
  const follow = async () => {
    let next = (await reader.getBlockNumber()) + 1n;
    while (state.running || waiting.size > 0) {
      const tip = await reader.getBlockNumber();
      for (; next <= tip; next++) {
        const receipts = await reader.request({
          method: "eth_getBlockReceipts",
          params: [`0x${next.toString(16)}`],
        });
        state.blocks += 1;
        for (const receipt of receipts) {
          const wake = waiting.get(receipt.transactionHash);
          waiting.delete(receipt.transactionHash);
          if (wake) wake(receipt);
          else seen.set(receipt.transactionHash, receipt);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
    return next - 1n;
  };
  const done = follow();
  const failed = done.then(() => new Promise(() => {}));
  return {
    get blocks() {
      return state.blocks;
    },
    receipt(hash) {
      if (seen.has(hash)) return seen.get(hash);
      return Promise.race([new Promise((resolve) => waiting.set(hash, resolve)), failed]);
    },
    stop() {
      state.running = false;
      return done;
    },
  };
}

async function sendAll(reader, watcher, signed, times, progress) {
  const underWay = new Set();
  for (const raw of signed) {
    const began = performance.now();
    const hash = await reader.request({ method: "eth_sendRawTransaction", params: [raw] });
    const final = Promise.resolve(watcher.receipt(hash)).then((receipt) => {
      if (receipt.status !== "0x1") throw new Error(`the transfer ${hash} was reverted`);
      times.push(performance.now() - began);
      progress(times.length);
      underWay.delete(final);
    });
    // Whoever waits below is told; a failure while something else is waited for is not lost.
    final.catch(() => {});
    underWay.add(final);
    if (underWay.size >= WINDOW) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

/** Counts on the chain itself: every transfer left its log, and nobody has more or less. */
async function verify(reader, address, accounts, { transfers, each, last }) {
  const logs = await reader.getContractEvents({
    address,
    abi: token.abi,
    eventName: "Transfer",
    args: { from: accounts.map((account) => account.address) },
    fromBlock: 0n,
    toBlock: last,
  });
  if (logs.length !== transfers) throw new Error(`${logs.length} of ${transfers} transfers are in the logs`);
  for (const account of accounts) {
    const balance = await reader.readContract({
      address,
      abi: token.abi,
      functionName: "balanceOf",
      args: [account.address],
    });
    if (balance !== each) throw new Error(`${account.address} has ${balance}, not ${each}`);
  }
}
