// Random programs for the EVM, from a seed: what they do depends on nothing but the seed, the state
// and what is equal on all sides. So there is no TIMESTAMP, NUMBER, COINBASE, PREVRANDAO, BLOCKHASH
// and GASLIMIT in them; but there is GAS, which tells of every difference in what something costs.
import { p256 } from "@noble/curves/nist.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concatHex, hexToBytes, keccak256, numberToHex, sha256, toHex } from "viem";

const SMALL = 70;
const edges = [0n, 7n, 8n, 16n, 64n, 128n, 160n, 255n, 256n];

/** The addresses that programs of all seeds may come upon: small numbers, and what is near an edge. */
export const commonAddresses = [
  ...Array.from({ length: SMALL }, (_, small) => BigInt(small)),
  ...edges.flatMap((edge) => [-1n, 0n, 1n].map((beside) => (1n << edge) + beside)),
].map((number) => numberToHex(BigInt.asUintN(160, number), { size: 20 }));

/** Numbers from a seed (sfc32). */
export class Random {
  #state;

  constructor(seed) {
    this.name = seed;
    const bytes = hexToBytes(keccak256(toHex(seed)));
    this.#state = Uint32Array.from(new Uint32Array(bytes.buffer, 0, 4));
  }

  #next() {
    const s = this.#state;
    const sum = (s[0] + s[1] + s[3]) >>> 0;
    s[3] += 1;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = s[2] + (s[2] << 3);
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + sum;
    return sum;
  }

  below(n) {
    return this.#next() % n;
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  bytes(n) {
    return toHex(Uint8Array.from({ length: n }, () => this.below(256)));
  }

  /** A word, most often one at the edge of something. */
  word() {
    if (this.chance(20)) return BigInt(this.bytes(32));
    if (this.chance(40)) return BigInt(this.below(SMALL));
    const edge = 1n << this.pick(edges);
    return BigInt.asUintN(256, edge + this.pick([-1n, 0n, 1n]));
  }
}

// For each: its byte, how many words it takes and how many it leaves.
const opcodes = {
  STOP: [0x00, 0, 0], ADD: [0x01, 2, 1], MUL: [0x02, 2, 1], SUB: [0x03, 2, 1], DIV: [0x04, 2, 1],
  SDIV: [0x05, 2, 1], MOD: [0x06, 2, 1], SMOD: [0x07, 2, 1], ADDMOD: [0x08, 3, 1],
  MULMOD: [0x09, 3, 1], EXP: [0x0a, 2, 1], SIGNEXTEND: [0x0b, 2, 1], LT: [0x10, 2, 1],
  GT: [0x11, 2, 1], SLT: [0x12, 2, 1], SGT: [0x13, 2, 1], EQ: [0x14, 2, 1], ISZERO: [0x15, 1, 1],
  AND: [0x16, 2, 1], OR: [0x17, 2, 1], XOR: [0x18, 2, 1], NOT: [0x19, 1, 1], BYTE: [0x1a, 2, 1],
  SHL: [0x1b, 2, 1], SHR: [0x1c, 2, 1], SAR: [0x1d, 2, 1], CLZ: [0x1e, 1, 1],
  KECCAK256: [0x20, 2, 1], ADDRESS: [0x30, 0, 1], BALANCE: [0x31, 1, 1], ORIGIN: [0x32, 0, 1],
  CALLER: [0x33, 0, 1], CALLVALUE: [0x34, 0, 1], CALLDATALOAD: [0x35, 1, 1],
  CALLDATASIZE: [0x36, 0, 1], CALLDATACOPY: [0x37, 3, 0], CODESIZE: [0x38, 0, 1],
  CODECOPY: [0x39, 3, 0], GASPRICE: [0x3a, 0, 1], EXTCODESIZE: [0x3b, 1, 1],
  EXTCODECOPY: [0x3c, 4, 0], RETURNDATASIZE: [0x3d, 0, 1], RETURNDATACOPY: [0x3e, 3, 0],
  EXTCODEHASH: [0x3f, 1, 1], CHAINID: [0x46, 0, 1], SELFBALANCE: [0x47, 0, 1],
  BASEFEE: [0x48, 0, 1], BLOBHASH: [0x49, 1, 1], BLOBBASEFEE: [0x4a, 0, 1], POP: [0x50, 1, 0],
  MLOAD: [0x51, 1, 1], MSTORE: [0x52, 2, 0], MSTORE8: [0x53, 2, 0], SLOAD: [0x54, 1, 1],
  SSTORE: [0x55, 2, 0], JUMP: [0x56, 1, 0], JUMPI: [0x57, 2, 0], PC: [0x58, 0, 1],
  MSIZE: [0x59, 0, 1], GAS: [0x5a, 0, 1], JUMPDEST: [0x5b, 0, 0], TLOAD: [0x5c, 1, 1],
  TSTORE: [0x5d, 2, 0], MCOPY: [0x5e, 3, 0], LOG0: [0xa0, 2, 0], LOG1: [0xa1, 3, 0],
  LOG2: [0xa2, 4, 0], LOG3: [0xa3, 5, 0], LOG4: [0xa4, 6, 0], CREATE: [0xf0, 3, 1],
  CALL: [0xf1, 7, 1], CALLCODE: [0xf2, 7, 1], RETURN: [0xf3, 2, 0], DELEGATECALL: [0xf4, 6, 1],
  CREATE2: [0xf5, 4, 1], STATICCALL: [0xfa, 6, 1], REVERT: [0xfd, 2, 0], INVALID: [0xfe, 0, 0],
  SELFDESTRUCT: [0xff, 1, 0], UNKNOWN: [0x0c, 0, 0],
};
const named = (...names) => names;
const pure = named(
  "ADD", "MUL", "SUB", "DIV", "SDIV", "MOD", "SMOD", "ADDMOD", "MULMOD", "EXP", "SIGNEXTEND", "LT",
  "GT", "SLT", "SGT", "EQ", "ISZERO", "AND", "OR", "XOR", "NOT", "BYTE", "SHL", "SHR", "SAR", "CLZ",
);
const ambient = named(
  "ADDRESS", "ORIGIN", "CALLER", "CALLVALUE", "CALLDATASIZE", "CODESIZE", "GASPRICE",
  "RETURNDATASIZE", "CHAINID", "SELFBALANCE", "BASEFEE", "BLOBBASEFEE", "PC", "MSIZE", "GAS",
);
const ofAccount = named("BALANCE", "EXTCODESIZE", "EXTCODEHASH");
const ofPlace = named("SLOAD", "TLOAD", "MLOAD", "CALLDATALOAD", "BLOBHASH");
const calls = named("CALL", "STATICCALL", "DELEGATECALL", "CALLCODE");

/** An assembler that knows the stack's height. Data comes after the code, at places put in last. */
export class Assembler {
  #code = [];
  #data = [];
  #places = [];
  height = 0;

  op(name) {
    const [byte, takes, leaves] = opcodes[name];
    this.#code.push(byte);
    this.height += leaves - takes;
    return this;
  }

  push(value) {
    const bytes = value === 0n || value === 0 ? [] : hexToBytes(numberToHex(BigInt(value)));
    this.#code.push(0x5f + bytes.length, ...bytes);
    this.height++;
    return this;
  }

  pushAll(...values) {
    for (const value of values) this.push(value);
    return this;
  }

  dup(n) {
    this.#code.push(0x7f + n);
    this.height++;
    return this;
  }

  swap(n) {
    this.#code.push(0x8f + n);
    return this;
  }

  get hasData() {
    return this.#data.length > 0;
  }

  /** Pushes where `place()` will say. */
  pushPlace(place) {
    this.#code.push(0x61, 0, 0);
    this.#places.push([this.#code.length - 2, place]);
    this.height++;
    return this;
  }

  /** Ends a jump of `pushPlace(() => label.at)`. */
  land(label) {
    label.at = this.#code.length;
    return this.op("JUMPDEST");
  }

  /** Copies data to memory at `to` and gives its length. */
  load(hex, to) {
    const bytes = hexToBytes(hex);
    const before = this.#data.length;
    this.#data.push(...bytes);
    this.push(bytes.length).pushPlace(() => this.#code.length + before);
    this.push(to).op("CODECOPY");
    return bytes.length;
  }

  hex() {
    const code = [...this.#code];
    for (const [at, place] of this.#places) {
      const value = place();
      code[at] = value >> 8;
      code[at + 1] = value & 0xff;
    }
    return toHex(Uint8Array.from([...code, ...this.#data]));
  }
}

/** Init code that runs `first` and then returns `runtime`. */
export function deployment(runtime, first = () => {}) {
  const init = new Assembler();
  first(init);
  const length = init.load(runtime, 0);
  return init.pushAll(length, 0).op("RETURN").hex();
}

/** Writes random programs that know of the addresses in `pool`, to which others may add. */
export class Writer {
  constructor(random, pool) {
    this.random = random;
    this.pool = pool;
  }

  program(size = 4 + this.random.below(10), nested = 0) {
    return this.#program(size, nested, 0);
  }

  #program(size, nested, leastEnd) {
    const out = new Assembler();
    for (let i = 0; i < size; i++) this.#statement(out, nested);
    this.#end(out, leastEnd + this.random.below(100 - leastEnd));
    return out.hex();
  }

  /** Any bytes as code but those that tell of the block. */
  #anything() {
    const isOfBlock = (byte) => byte >= 0x40 && byte <= 0x45;
    return toHex(hexToBytes(this.random.bytes(9)).map((byte) => (isOfBlock(byte) ? 0x50 : byte)));
  }

  /** Init code: most often what deploys a program, else what does something and leaves no code. */
  initCode(nested = 0) {
    const { random } = this;
    if (random.chance(8)) return this.#program(3, nested + 1, 35);
    const first = (out) => {
      for (let i = random.below(3); i > 0; i--) this.#statement(out, nested + 1);
    };
    return deployment(random.chance(5) ? this.#anything() : this.program(undefined, nested), first);
  }

  /** Puts one word on the stack. */
  #word(out, depth = 0) {
    const { random } = this;
    const kind = depth > 2 ? random.below(40) : random.below(100);
    if (kind < 20) return out.push(random.word());
    if (kind < 30) return out.op(random.pick(ambient));
    if (kind < 40 && out.height > 0) return out.dup(1 + random.below(Math.min(out.height, 16)));
    if (kind < 40) return out.op("GAS");
    if (kind < 50) return this.#account(out).op(random.pick(ofAccount));
    if (kind < 62) return out.push(this.#place()).op(random.pick(ofPlace));
    if (kind < 66) return out.pushAll(random.below(100), this.#place()).op("KECCAK256");
    const name = random.pick(pure);
    for (let i = opcodes[name][1]; i > 0; i--) this.#word(out, depth + 1);
    return out.op(name);
  }

  #bytes() {
    return this.random.bytes(this.random.below(70));
  }

  #place() {
    const { random } = this;
    if (random.chance(1)) return random.word();
    return random.chance(60) ? random.below(5) : random.below(0x120);
  }

  #account(out) {
    const { random } = this;
    if (random.chance(10)) return out.op("ADDRESS");
    if (random.chance(5)) return out.push(random.word());
    return out.push(random.chance(15) ? random.below(0x13) : random.pick(this.pool));
  }

  #statement(out, nested) {
    const { random } = this;
    const kind = random.below(100);
    if (kind < 18) this.#word(out).push(this.#place()).op("SSTORE");
    else if (kind < 24) this.#word(out).push(this.#place()).op("TSTORE");
    else if (kind < 34) this.#word(out).push(this.#place()).op(random.pick(["MSTORE", "MSTORE8"]));
    else if (kind < 46) this.#copy(out);
    else if (kind < 56) this.#log(out);
    else if (kind < 76) this.#call(out);
    else if (kind < 82) this.#create(out, nested);
    else if (kind < 88) this.#branch(out, nested);
    else if (kind < 92) this.#loop(out, nested);
    else this.#swap(out);
  }

  #copy(out) {
    const { random } = this;
    const name = random.pick(["CALLDATACOPY", "CODECOPY", "EXTCODECOPY", "MCOPY", "RETURNDATACOPY"]);
    const isWithin = name === "RETURNDATACOPY" && random.chance(90);
    if (isWithin) out.op("RETURNDATASIZE").pushAll(0, this.#place());
    else out.pushAll(random.below(80), this.#place(), this.#place());
    if (name === "EXTCODECOPY") this.#account(out);
    out.op(name);
  }

  #log(out) {
    const topics = this.random.below(5);
    for (let i = 0; i < topics; i++) this.#word(out, 1);
    out.pushAll(this.random.below(0x60), this.#place()).op(`LOG${topics}`);
  }

  #call(out) {
    const { random } = this;
    const name = random.pick(calls);
    const precompile = random.chance(45);
    const { number, input } = precompile ? precompileCall(random) : { input: this.#bytes() };
    const at = random.chance(90) ? 0x100 : 0;
    const length = out.load(input, at);
    out.pushAll(random.below(0x50), this.#place(), length, at);
    if (name === "CALL" || name === "CALLCODE") out.push(random.chance(70) ? 0 : random.below(3));
    if (precompile) out.push(number);
    else this.#account(out);
    if (random.chance(precompile ? 80 : 50)) out.op("GAS");
    else out.push(random.pick([0, 100, 2300, 30_000, 100_000]));
    out.op(name).push(random.below(5)).op("SSTORE");
    if (random.chance(60)) out.op("RETURNDATASIZE").pushAll(0, 0x40).op("RETURNDATACOPY");
  }

  #create(out, nested) {
    const { random } = this;
    if (nested > 1) return;
    const length = out.load(this.initCode(nested + 1), 0x100);
    const name = random.pick(["CREATE", "CREATE2"]);
    if (name === "CREATE2") out.push(random.below(2));
    out.pushAll(length, 0x100, random.chance(80) ? 0 : 1).op(name);
    // What was created may be called at once, and destroy itself in the transaction that made it.
    if (random.chance(70)) {
      out.pushAll(0x20, 0, 0x20, 0, 0).dup(6).push(50_000).op("CALL").op("POP");
    }
    out.push(random.below(5)).op("SSTORE");
  }

  #branch(out, nested) {
    const label = {};
    this.#word(out).pushPlace(() => label.at).op("JUMPI");
    this.#statement(out, nested);
    out.land(label);
  }

  #loop(out, nested) {
    const label = {};
    out.push(2 + this.random.below(4)).land(label);
    this.#statement(out, nested);
    out.push(1).swap(1).op("SUB").dup(1).pushPlace(() => label.at).op("JUMPI").op("POP");
  }

  #swap(out) {
    const count = 2 + this.random.below(8);
    for (let i = 0; i < count; i++) this.#word(out, 2);
    for (let i = 0; i < 3; i++) out.swap(1 + this.random.below(count - 1));
    for (let i = 1; i < count; i++) out.op(this.random.pick(["ADD", "XOR", "SUB"]));
    out.push(this.#place()).op("SSTORE");
  }

  /** How it ends, of a hundred ways; the first 35 return memory, which may hold any bytes. */
  #end(out, kind) {
    const { random } = this;
    if (kind < 35) return void out.pushAll(random.below(0x80), random.below(0x20)).op("RETURN");
    if (kind < 65) return void out.op("STOP");
    if (kind < 80) return this.#revert(out);
    if (kind < 90) return void this.#account(out).op("SELFDESTRUCT");
    if (kind < 93) return void out.op(random.pick(["INVALID", "UNKNOWN"]));
    if (kind < 96) return void out.push(random.pick([0n, 1n, 1n << 200n])).op("JUMP");
    // Without data behind it the code ends here, and else data would run that may be any bytes.
    if (kind < 98) return void (out.hasData ? out.op("POP") : out);
    const label = {};
    out.land(label).pushPlace(() => label.at).op("JUMP");
  }

  /** Some reverts carry Solidity's Error(string) or Panic(uint256), which tracers decode. */
  #revert(out) {
    const { random } = this;
    const text = toHex("no ".repeat(1 + random.below(8)));
    const word = (value) => numberToHex(value, { size: 32 });
    const padded = concatHex([text, `0x${"00".repeat((32 - ((text.length / 2 - 1) % 32)) % 32)}`]);
    const data = random.pick([
      this.#bytes(),
      concatHex(["0x08c379a0", word(32), word(text.length / 2 - 1), padded]),
      concatHex(["0x4e487b71", word(random.pick([1, 17, 50, 99]))]),
      "0x",
    ]);
    const length = out.load(data, 0x20);
    out.pushAll(length, 0x20).op("REVERT");
  }
}

const word = (value, size = 32) => numberToHex(value, { size });
const g1Of = (point) => {
  const { x, y } = point.toAffine();
  return point.is0() ? `0x${"00".repeat(128)}` : concatHex([word(x, 64), word(y, 64)]);
};
const g2Of = (point) => {
  const { x, y } = point.toAffine();
  return concatHex([x.c0, x.c1, y.c0, y.c1].map((part) => word(part, 64)));
};
const bnOf = ({ x, y }) => concatHex([word(x), word(y)]);
const bnG2Of = ({ x, y }) => concatHex([x.c1, x.c0, y.c1, y.c0].map((part) => word(part)));

/** One of five points of a curve, of which each is worked out once. */
const points = new Map();
function times(curve, random) {
  if (!points.has(curve)) points.set(curve, []);
  const [known, factor] = [points.get(curve), 1 + random.below(5)];
  return (known[factor] ??= curve.BASE.multiply(BigInt(factor)));
}

function signed(curve, random, build) {
  const key = hexToBytes(random.bytes(32));
  const hash = random.bytes(32);
  const signature = curve.sign(hexToBytes(hash), key, { prehash: false });
  return build(hash, signature, curve.ProjectivePoint.fromPrivateKey(key).toAffine());
}

/** Valid inputs of each precompile. */
const valid = {
  0x01: (random) =>
    signed(secp256k1, random, (hash, { r, s, recovery }) =>
      concatHex([hash, word(27 + recovery), word(r), word(s)]),
    ),
  0x02: (random) => random.bytes(random.below(100)),
  0x03: (random) => random.bytes(random.below(100)),
  0x04: (random) => random.bytes(random.below(100)),
  0x05: (random) => {
    const sizes = [random.below(70), random.below(40), random.below(70)];
    return concatHex([...sizes.map((size) => word(size)), ...sizes.map((size) => random.bytes(size))]);
  },
  0x06: (random) => concatHex([0, 1].map(() => bnOf(times(bn254.G1.ProjectivePoint, random).toAffine()))),
  0x07: (random) => concatHex([bnOf(times(bn254.G1.ProjectivePoint, random).toAffine()), random.bytes(32)]),
  0x08: (random) => {
    const [g1, g2] = [times(bn254.G1.ProjectivePoint, random), times(bn254.G2.ProjectivePoint, random)];
    const last = random.chance(50) ? g1.negate() : g1;
    return concatHex([g1, last].flatMap((one) => [bnOf(one.toAffine()), bnG2Of(g2.toAffine())]));
  },
  0x09: (random) => concatHex([word(random.below(20), 4), random.bytes(208), word(random.below(2), 1)]),
  // The polynomial 0: it is 0 everywhere, and the proof is the point at infinity.
  0x0a: (random) => {
    const infinity = `0xc0${"00".repeat(47)}`;
    const hash = `0x01${sha256(infinity).slice(4)}`;
    return concatHex([hash, word(BigInt(random.bytes(31))), word(0), infinity, infinity]);
  },
  0x0b: (random) => concatHex([0, 1].map(() => g1Of(times(bls12_381.G1.ProjectivePoint, random)))),
  0x0c: (random) => {
    const one = () => concatHex([g1Of(times(bls12_381.G1.ProjectivePoint, random)), random.bytes(32)]);
    return concatHex(Array.from({ length: 1 + random.below(3) }, one));
  },
  0x0d: (random) => concatHex([0, 1].map(() => g2Of(times(bls12_381.G2.ProjectivePoint, random)))),
  0x0e: (random) => {
    const one = () => concatHex([g2Of(times(bls12_381.G2.ProjectivePoint, random)), random.bytes(32)]);
    return concatHex(Array.from({ length: 1 + random.below(3) }, one));
  },
  0x0f: (random) => {
    const g1 = times(bls12_381.G1.ProjectivePoint, random);
    const g2 = g2Of(times(bls12_381.G2.ProjectivePoint, random));
    return concatHex([g1Of(g1), g2, g1Of(random.chance(50) ? g1.negate() : g1), g2]);
  },
  0x10: (random) => concatHex([word(0, 17), random.bytes(47)]),
  0x11: (random) => concatHex([word(0, 17), random.bytes(47), word(0, 17), random.bytes(47)]),
  0x100: (random) =>
    signed(p256, random, (hash, { r, s }, { x, y }) =>
      concatHex([hash, word(r), word(s), word(x), word(y)]),
    ),
};

/** A precompile and what it is given: most often something valid, else that with a flaw. */
export function precompileCall(random) {
  const number = Number(random.pick(Object.keys(valid)));
  const good = valid[number](random);
  const flaw = random.below(10);
  const at = 2 + 2 * random.below(Math.max(1, good.length / 2 - 1));
  if (flaw > 2) return { number, input: good };
  if (flaw === 0) return { number, input: random.bytes(random.below(300)) };
  if (flaw === 1) return { number, input: good.slice(0, at) };
  const changed = `${good.slice(0, at)}${random.bytes(1).slice(2)}${good.slice(at + 2)}`;
  return { number, input: changed.slice(0, good.length) };
}
