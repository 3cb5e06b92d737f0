// The mix of transactions: each is made from the seed and the nonces as they are, and is signed here.
import { concatHex, getContractAddress, keccak256, numberToHex, toHex, zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { Assembler, Writer, deployment, precompileCall } from "./programs.mjs";

const MOST_INIT_CODE = 49_152;
const MOST_CODE = 24_576;
const MOST_GAS = 16_777_216;

/** A network without fees takes nothing whatever is offered, and others do: so nothing is offered. */
const fees = { maxFeePerGas: 0n, maxPriorityFeePerGas: 0n };

const word = (value) => numberToHex(value, { size: 32 });

/** How often each kind comes, of a hundred. */
const weights = {
  call: 38, deployment: 16, precompile: 12, authorization: 12, transfer: 8, refused: 6, limits: 4,
  destroyed: 3, recursion: 1,
};

/** Calls itself with all its gas, as deep as that lasts, and then writes how deep that was. */
const recursion = new Assembler()
  .pushAll(0x20, 0, 0x20, 0).pushAll(0).op("CALLDATALOAD").push(1).op("ADD").push(0).op("MSTORE")
  .push(0).op("ADDRESS").op("GAS").op("CALL")
  .push(0).op("MLOAD").op("SSTORE").pushAll(0x20, 0).op("RETURN").hex();

/** Init code that leaves `length` bytes of code, the first of which is `first`. */
const leaves = (length, first = 0) =>
  new Assembler().pushAll(first, 0).op("MSTORE8").pushAll(length, 0).op("RETURN").hex();

export class Mix {
  constructor(random, chainId, isFunded) {
    const key = (role, index) => keccak256(toHex(`${role} ${index} of ${random.name}`));
    const accounts = (role, n) =>
      Array.from({ length: n }, (_, index) => privateKeyToAccount(key(role, index)));
    this.random = random;
    this.chainId = chainId;
    this.rich = accounts("rich", 3);
    this.poor = accounts("poor", 2);
    this.authorities = accounts("authority", 3);
    this.isFunded = isFunded;
    this.all = [...this.rich, ...this.poor, ...this.authorities];
    this.contracts = [];
    this.pool = this.all.map((one) => one.address.toLowerCase());
    this.pool.push(random.bytes(20));
    this.writer = new Writer(random, this.pool);
  }

  /** The next transaction: what kind it is of, its fields, and it signed. */
  async next(index, nonceOf) {
    const kind = this.#kind(index);
    const from = this.#sender(kind);
    const nonce = await nonceOf(from.address);
    const own = await this.#kinds[kind].call(this, from, nonce, nonceOf);
    const fields = { ...this.#common(from), ...own };
    const tx = { chainId: this.chainId, nonce, ...fields };
    if (!tx.to && tx.type !== "eip7702") this.#remember(getContractAddress({ from: from.address, nonce }));
    const raw = await from.signTransaction(tx);
    return { kind, from: from.address.toLowerCase(), tx, raw };
  }

  #kind(index) {
    // Most of the programs are there before what calls them.
    if (index === 0) return "recursion";
    if (index < 25) return "deployment";
    let at = this.random.below(100);
    for (const [kind, weight] of Object.entries(weights)) {
      if (at < weight) return kind;
      at -= weight;
    }
    return "call";
  }

  #sender(kind) {
    const { random } = this;
    if (kind === "refused") return random.pick(this.poor);
    return random.pick(random.chance(60) ? this.rich : random.chance(50) ? this.poor : this.authorities);
  }

  #remember(address) {
    this.contracts.push(address.toLowerCase());
    this.pool.push(address.toLowerCase());
  }

  /** What transactions of all kinds have: a type, its fees, an access list, gas and perhaps a value. */
  #common(from) {
    const { random } = this;
    const type = random.pick(["legacy", "eip2930", "eip1559"]);
    const isRich = this.isFunded && this.rich.includes(from);
    const gas = random.chance(85) ? 100_000 + random.below(500_000) : 21_000 + random.below(60_000);
    return {
      type,
      gas: BigInt(gas),
      value: isRich && random.chance(40) ? BigInt(random.below(1000)) : 0n,
      ...(type === "eip1559" ? fees : { gasPrice: 0n }),
      ...(type === "legacy" || random.chance(50) ? {} : { accessList: this.#accessList() }),
    };
  }

  #accessList() {
    const { random } = this;
    return Array.from({ length: random.below(3) }, () => ({
      address: random.pick(this.pool),
      storageKeys: Array.from({ length: random.below(3) }, () => word(random.below(5))),
    }));
  }

  #kinds = {
    recursion() {
      if (this.contracts.length === 0) return { data: deployment(recursion), gas: 500_000n };
      const gas = BigInt(1_000_000 + this.random.below(4_000_000));
      return { to: this.contracts[0], data: "0x", gas };
    },

    deployment() {
      return { data: this.writer.initCode(), gas: BigInt(200_000 + this.random.below(1_000_000)) };
    },

    call() {
      const to = this.random.pick(this.random.chance(85) ? this.contracts : this.pool);
      return { to, data: this.random.bytes(this.random.below(100)) };
    },

    precompile() {
      const { number, input } = precompileCall(this.random);
      return { to: numberToHex(number, { size: 20 }), data: input };
    },

    transfer() {
      const to = this.random.chance(70) ? this.random.pick(this.pool) : this.random.bytes(20);
      return { to, gas: 90_000n };
    },

    /** Created and destroyed by its own init code, whose value goes to somebody or burns. */
    destroyed() {
      const init = new Assembler();
      init.push(1).push(0).op("SSTORE");
      if (this.random.chance(50)) init.op("ADDRESS");
      else init.push(this.random.pick(this.pool));
      return { data: init.op("SELFDESTRUCT").hex() };
    },

    /** Around the limits of code and init code, and of what may begin a code. */
    limits() {
      const [length, first] = this.random.pick([
        [MOST_CODE, 0], [MOST_CODE + 1, 0], [MOST_CODE, 0xef], [1, 0xef], [0, 0], [1, 0xfe],
      ]);
      const init = leaves(length, first);
      const padding = this.random.chance(30) ? MOST_INIT_CODE - (init.length - 2) / 2 : 0;
      return { data: concatHex([init, `0x${"00".repeat(padding)}`]), gas: 7_000_000n };
    },

    async authorization(from, nonce, nonceOf) {
      const { random } = this;
      const list = [];
      for (let i = 1 + random.below(3); i > 0; i--) list.push(await this.#authorization(from, nonce, nonceOf));
      const authorities = this.authorities.map((one) => one.address);
      return {
        ...{ type: "eip7702", gasPrice: undefined, ...fees, authorizationList: list },
        to: random.pick(random.chance(70) ? authorities : this.pool),
        data: random.bytes(random.below(70)),
        gas: BigInt(150_000 + random.below(400_000)),
      };
    },

    async refused(from, nonce) {
      const to = this.pool[0];
      const none = { accessList: undefined, maxFeePerGas: undefined, maxPriorityFeePerGas: undefined };
      const plain = { type: "legacy", gasPrice: 0n, ...none, to, gas: 100_000n };
      const long = `0x${"00".repeat(MOST_INIT_CODE + 1)}`;
      return this.random.pick([
        { ...plain, value: 1n, why: /insufficient funds for gas \* price \+ value/ },
        { ...plain, gas: 20_999n, why: /intrinsic gas too low/ },
        { ...plain, gas: BigInt(MOST_GAS + 1), why: /transaction gas limit too high/ },
        { ...plain, data: `0x${"11".repeat(2000)}`, gas: 54_000n, why: /insufficient gas for floor data gas cost/ },
        { ...plain, to: undefined, data: long, gas: 8_000_000n, why: /max initcode size exceeded/ },
        { ...plain, chainId: this.chainId + 1, why: /invalid chain id for signer/ },
        ...(nonce > 0 ? [{ ...plain, nonce: nonce - 1, why: /nonce too low/ }] : []),
      ]);
    },
  };

  /** One that holds, or one that is skipped: of a wrong chain or nonce, or of an account with code. */
  async #authorization(from, nonce, nonceOf) {
    const { random } = this;
    const authority = random.chance(15) ? from : random.pick(this.authorities);
    const next = authority === from ? nonce + 1 : await nonceOf(authority.address);
    const contracts = [random.pick(this.contracts), random.pick(this.contracts)];
    const precompile = numberToHex(1 + random.below(17), { size: 20 });
    const address = random.pick([zeroAddress, ...contracts, random.pick(this.pool), precompile]);
    const signed = await authority.signAuthorization({
      address,
      chainId: random.pick([0, this.chainId, this.chainId, this.chainId + 1]),
      nonce: random.chance(80) ? next : next + random.pick([1, 5]),
    });
    // A signature of another account is not wrong: it is that account's authorization, or nobody's.
    return random.chance(10) ? { ...signed, r: word(BigInt(random.bytes(31))) } : signed;
  }
}
