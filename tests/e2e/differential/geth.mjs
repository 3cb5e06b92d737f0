// Geth as a side: `geth --dev` on a chain with the network's chain id, gas limit and balances. It makes
// blocks only when it is told, with the transactions that it is told; its pool is asked before, so that
// what it refuses is refused in its own words.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { toHex } from "viem";
import { Remote } from "./sides.mjs";

/** Where the test runner puts it. */
const PROGRAM = fileURLToPath(new URL("../../../target/tools/geth", import.meta.url));
/** How long its pool may take to see what its last block did. */
const PATIENCE_MS = 5_000;
/** How long an answer may take. */
const WORTH_MS = 4_000;
/** Longer than any run: it is to make no block by itself. */
const PERIOD_S = 1_000_000;
const ZERO_HASH = `0x${"00".repeat(32)}`;

/** The contracts without which no block is valid (EIP-4788, 2935, 7002 and 7251). */
export const systemContracts = [
  "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
  "0x0000f90827f1c53a10cb7a02335b175320002935",
  "0x00000961ef480eb55e80d19ad83579a64c007002",
  "0x0000bbddc7ce488642fb579f8b00f3a590007251",
];

const forks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg"];
const laterForks = ["istanbul", "berlin", "london"];
const timedForks = ["shanghai", "cancun", "prague", "osaka"];
const blobs = (target, max, baseFeeUpdateFraction) => ({ target, max, baseFeeUpdateFraction });

function genesisOf({ chainId, gasLimit, coinbase, timestamp, alloc }) {
  const config = {
    chainId,
    ...Object.fromEntries([...forks, ...laterForks].map((fork) => [`${fork}Block`, 0])),
    ...Object.fromEntries(timedForks.map((fork) => [`${fork}Time`, 0])),
    terminalTotalDifficulty: 0,
    blobSchedule: {
      cancun: blobs(3, 6, 3_338_477),
      prague: blobs(6, 9, 5_007_716),
      osaka: blobs(6, 9, 5_007_716),
    },
  };
  return {
    config, alloc, coinbase, difficulty: "0x0", nonce: "0x0", extraData: "0x", baseFeePerGas: "0x0",
    gasLimit: toHex(gasLimit), timestamp: toHex(timestamp),
  };
}

class Geth extends Remote {
  #coinbase;
  #timestamp;

  constructor(url, coinbase) {
    super("Geth", url);
    this.#coinbase = coinbase;
  }

  /** Waits for the block that it makes when it starts, and lets its pool take what pays nothing. */
  async begin() {
    await this.get("miner_setGasPrice", "0x0");
    const first = () => this.get("eth_getBlockByNumber", "0x1", false);
    this.#timestamp = Number((await this.#until("it made no first block", first)).timestamp);
    return this;
  }

  async #until(failure, look) {
    for (const ended = performance.now() + PATIENCE_MS; performance.now() < ended; ) {
      const found = await look();
      if (found) return found;
    }
    throw new Error(`${this.name}: ${failure}`);
  }

  /** The answer, unless it takes longer than any that is worth its time. */
  async askSoon(method, params) {
    const late = new Promise((resolve) => setTimeout(resolve, WORTH_MS).unref());
    return Promise.race([this.ask(method, params), late]);
  }

  /** Sends a transaction to the pool and then in a block, and gives its receipt or the refusal. */
  async send(raw) {
    const sent = await this.ask("eth_sendRawTransaction", [raw]);
    if (sent.error) return sent;
    const attributes = {
      timestamp: toHex(++this.#timestamp), suggestedFeeRecipient: this.#coinbase, prevRandao: ZERO_HASH,
      parentBeaconBlockRoot: ZERO_HASH, withdrawals: [],
    };
    const made = await this.ask("testing_commitBlockV1", [attributes, [raw], null]);
    if (made.error) return made;
    // Transactions are indexed behind the block.
    const look = () => this.get("eth_getTransactionReceipt", sent.result);
    return { result: await this.#until(`there is no receipt of ${sent.result}`, look) };
  }

  /** Waits until the pool knows of an account what the last block says. */
  async settle(address) {
    const nonces = () =>
      Promise.all(["pending", "latest"].map((tag) => this.get("eth_getTransactionCount", address, tag)));
    await this.#until(`its pool did not come to the nonce of ${address}`, async () => {
      const [pooled, mined] = await nonces();
      return pooled === mined;
    });
  }
}

/** Starts Geth with a genesis, at a port of its choice. */
export async function startGeth(options) {
  const folder = mkdtempSync(join(tmpdir(), "wl-geth-"));
  const genesis = join(folder, "genesis.json");
  writeFileSync(genesis, JSON.stringify(genesisOf(options)));
  const quiet = { stdio: ["ignore", "ignore", "pipe"] };
  const data = ["--datadir", folder];
  execFileSync(PROGRAM, ["init", ...data, genesis], quiet);
  const flags = [
    ...data, "--dev", "--dev.period", PERIOD_S, "--nodiscover", "--ipcdisable", "--http", "--http.port", 0,
    "--http.api", "eth,net,web3,debug,txpool,miner,testing", "--rpc.txfeecap", 0, "--miner.gasprice", 0,
    "--miner.gaslimit", options.gasLimit,
  ];
  const child = spawn(PROGRAM, flags.map(String), { stdio: ["ignore", "ignore", "pipe"] });
  const stop = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  process.on("exit", stop);
  for await (const line of createInterface(child.stderr)) {
    const [, url] = line.match(/HTTP server started\s+endpoint=(\S+)/) ?? [];
    if (!url) continue;
    child.stderr.resume();
    return { remote: await new Geth(`http://${url}`, options.coinbase).begin(), stop };
  }
  throw new Error("Geth ended before it listened");
}
