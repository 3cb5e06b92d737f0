// Makes crates/chain/tests/vectors/traces.json: what Geth's tracers answer for calls of small programs, each
// of which goes wrong in its own way. Run it by hand when the version of Geth changes: node vectors.mjs.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { concatHex, numberToHex, toHex } from "viem";
import { Assembler } from "./programs.mjs";
import { startGeth, systemContracts } from "./geth.mjs";

const FILE = fileURLToPath(new URL("../../../crates/chain/tests/vectors/traces.json", import.meta.url));
const account = (byte) => `0x${byte.repeat(20)}`;
const [caller, first, second, delegating, beneficiary] = ["11", "aa", "bb", "cc", "ee"].map(account);
const absent = account("dd");

const asm = () => new Assembler();
/** Calls with all gas but what is named, with no input and no output. */
const call = (program, op, to, { value, gas } = {}) => {
  program.pushAll(0, 0, 0, 0);
  if (op === "CALL" || op === "CALLCODE") program.push(value ?? 0);
  program.push(BigInt(to));
  return (gas === undefined ? program.op("GAS") : program.push(gas)).op(op);
};
const calls = (op, to, options) => call(asm(), op, to, options).hex();
/** Creates with init code that begins at `place` of its memory. */
const create = (init, op = "CREATE", length) => {
  const size = (init.length - 2) / 2;
  const program = asm().push(BigInt(init)).push(0).op("MSTORE");
  if (op === "CREATE2") program.push(7);
  return program.pushAll(length ?? size, 32 - size, 0).op(op).hex();
};
const returns = (length, byte = 0) => asm().pushAll(byte, 0).op("MSTORE8").pushAll(length, 0).op("RETURN").hex();
const reason = concatHex(["0x08c379a0", ...[32, 4].map((n) => numberToHex(n, { size: 32 })), `0x6e6f7065${"00".repeat(28)}`]);

const stores = asm().pushAll(1, 0).op("SSTORE").pushAll(0, 0).op("SSTORE").push(5).op("SLOAD").pushAll(1, 5)
  .op("SSTORE").push(0).op("MSTORE").pushAll(7, 32, 0).op("LOG1").pushAll(32, 0).op("RETURN").hex();
const logsAndReverts = (() => {
  const program = asm().pushAll(0, 0).op("LOG0");
  const length = program.load(reason, 0x20);
  return program.pushAll(length, 0x20).op("REVERT").hex();
})();
const deep = `0x${"5f".repeat(1025)}`;
const precompile = (number, length) =>
  asm().pushAll(0, 0, length, 0, 0, number).op("GAS").op("CALL").hex();

/** For each: the code of the first contract, of the second, and what else the call is. */
const programs = {
  stores: { code: stores },
  "nothing to take": { code: "0x50" },
  "too high a stack": { code: deep, isLong: true },
  "too much memory": { code: asm().pushAll(2n ** 40n, 0).op("KECCAK256").hex() },
  "memory beyond numbers": { code: asm().pushAll(2n ** 70n, 0).op("KECCAK256").hex() },
  "memory beyond gas": { code: asm().pushAll(2n ** 22n, 0).op("KECCAK256").hex() },
  "gas for no instruction": { code: `0x${"58".repeat(50)}`, gas: 21_160, isLong: true },
  "gas for no store": { code: asm().pushAll(1, 9).op("SSTORE").hex(), gas: 30_000 },
  "a store in a static call": { code: calls("STATICCALL", second), other: asm().pushAll(1, 0).op("SSTORE").hex() },
  "a log in a static call": { code: calls("STATICCALL", second), other: asm().pushAll(0, 0).op("LOG0").hex() },
  "a transient store in a static call": { code: calls("STATICCALL", second), other: asm().pushAll(1, 0).op("TSTORE").hex() },
  "a creation in a static call": { code: calls("STATICCALL", second), other: asm().pushAll(0, 0, 0).op("CREATE").hex() },
  "a destruction in a static call": { code: calls("STATICCALL", second), other: asm().push(0).op("SELFDESTRUCT").hex() },
  "a value in a static call": { code: calls("STATICCALL", second), other: calls("CALL", absent, { value: 1 }) },
  "a store with the stipend": { code: calls("CALL", second, { gas: 2_300 }), other: asm().pushAll(1, 0).op("SSTORE").hex() },
  "a reason to revert": { code: calls("CALL", second), other: logsAndReverts },
  "reverts at once": { code: logsAndReverts },
  "more value than there is": { code: calls("CALL", second, { value: 10n ** 20n }), other: "0x00" },
  "a value for nobody": { code: calls("CALL", absent, { value: 1 }) },
  "no gas for somebody cold": { code: calls("CALL", absent), gas: 21_500 },
  "no gas for somebody new": { code: calls("CALL", absent, { value: 1 }), gas: 33_000 },
  "another's code": { code: concatHex([calls("DELEGATECALL", second), calls("CALLCODE", second)]), other: stores },
  "a delegation": { code: calls("CALL", delegating), other: stores },
  "a code that begins with 0xef": { code: create(returns(1, 0xef)) },
  "too long a code": { code: create(returns(24_577)), gas: 6_000_000 },
  "a code that costs too much": { code: create(returns(24_577)), gas: 1_000_000 },
  "too long an init code": { code: create(returns(1), "CREATE", 49_153) },
  "a contract": { code: create(returns(3), "CREATE2") },
  "no init code": { code: asm().pushAll(0, 0, 0).op("CREATE").hex() },
  "a contract that destroys itself": { code: create(asm().push(BigInt(absent)).op("SELFDESTRUCT").hex()) },
  "a destruction": { code: asm().push(BigInt(absent)).op("SELFDESTRUCT").hex() },
  "a contract that is there": { code: concatHex([create(returns(1), "CREATE2"), create(returns(1), "CREATE2")]) },
  "no place to jump to": { code: asm().push(1).op("JUMP").hex() },
  "more than was returned": { code: asm().pushAll(1, 0, 0).op("RETURNDATACOPY").hex() },
  "no instruction": { code: "0x0c" },
  "an instruction that fails": { code: "0xfe" },
  "an instruction to come": { code: "0x4b" },
  "points off the curve": { code: concatHex([`0x60ff603f53${precompile(6, 64).slice(2)}`, `0x${precompile(11, 256).slice(2)}`]) },
  "a proof of nothing": { code: precompile(10, 192) },
  "a wrong length": { code: precompile(9, 3) },
};

const tracers = {
  calls: { tracer: "callTracer", tracerConfig: { withLog: true } },
  prestate: { tracer: "prestateTracer", tracerConfig: { disableCode: true } },
  difference: { tracer: "prestateTracer", tracerConfig: { diffMode: true } },
  steps: { enableReturnData: true },
};
const others = {
  top: { tracer: "callTracer", tracerConfig: { onlyTopCall: true, withLog: true } },
  flat: { tracer: "flatCallTracer", tracerConfig: { convertParityErrors: true } },
  selectors: { tracer: "4byteTracer" },
  empty: { tracer: "prestateTracer", tracerConfig: { includeEmpty: true, disableStorage: true } },
  several: { tracer: "muxTracer", tracerConfig: { noopTracer: {}, "4byteTracer": {} } },
  memory: { enableMemory: true, disableStack: true, disableStorage: true },
  limited: { limit: 200 },
};
const withAll = ["stores", "a reason to revert", "a contract", "a contract that destroys itself"];

// No block is valid without these; what they do is of no matter here.
const alloc = Object.fromEntries(systemContracts.map((address) => [address, { balance: "0x0", nonce: "0x1", code: "0x00" }]));
const { remote: geth, stop } = await startGeth({
  chainId: 4242, gasLimit: 30_000_000, coinbase: beneficiary, timestamp: 1_700_000_000, alloc,
});
const vectors = [];
for (const [name, { code, other = "0x", gas = 300_000, isLong }] of Object.entries(programs)) {
  const request = { from: caller, to: first, gas: toHex(gas), data: "0x01020304" };
  const slot = numberToHex(5, { size: 32 });
  const stateOverrides = {
    [caller]: { balance: "0x64" },
    [first]: { code, balance: "0x5", stateDiff: { [slot]: numberToHex(9, { size: 32 }) } },
    [second]: { code: other, balance: "0x1", stateDiff: { [slot]: numberToHex(9, { size: 32 }) } },
    [delegating]: { code: concatHex(["0xef0100", second]) },
  };
  const blockOverrides = { feeRecipient: beneficiary };
  const asked = { ...tracers, ...(withAll.includes(name) ? others : {}) };
  if (isLong) delete asked.steps;
  const traces = [];
  for (const options of Object.values(asked)) {
    const all = { ...options, stateOverrides, blockOverrides };
    traces.push({ options, expect: await geth.get("debug_traceCall", request, "latest", all) });
  }
  vectors.push({ name, request, stateOverrides, blockOverrides, traces });
}
stop();
writeFileSync(FILE, `${vectors.map((vector) => JSON.stringify(vector)).join("\n")}\n`);
console.log(`${vectors.length} programs`);
process.exit(0);
