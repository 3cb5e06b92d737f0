// Questions that have nothing to do with what the transactions did: parameters that are missing, too
// many, of a wrong type or form, blocks and transactions that are not there, and calls that cannot run.
// A library tells by the answers what went wrong, so Windlass gives Geth's.
import { numberToHex } from "viem";

const hash = `0x${"ab".repeat(32)}`;
const nobody = `0x${"cd".repeat(20)}`;
const word = `0x${"00".repeat(31)}01`;

/** What each place of a parameter is tried with. */
const wrong = {
  block: ["", "0x", "0x01", "1", 1, "soon", "0xzz", true, [], {}, "0x7fffffff", "0xffffffffffffffffff", hash,
    { blockNumber: "0x7fffffff" }, { blockHash: hash }, { blockHash: hash, blockNumber: "0x1" },
    { blockHash: hash, requireCanonical: true }],
  number: ["", "0x", "0x01", "1", 1, "soon", "0xzz", true, [], {}, "0x7fffffff", "0xffffffffffffffffff"],
  address: ["", "0x", "0x1", "0x12", 1, true, [], {}, null, `${nobody}00`, nobody.slice(2), nobody.toUpperCase()],
  hash: ["", "0x", "0x1", "0x12", 1, true, [], {}, null, `${hash}00`, hash.slice(2)],
  place: ["0x", "0x01", "1", 1, "0xzz", true, [], {}, null, "0xffffffffffffffffff"],
  bytes: ["", "0x", "0x1", "0xzz", 1, true, [], {}, null, "12"],
  slot: ["", "0x", "0x1", "0x01", "0xzz", 1, true, [], {}, null, `${word}00`, "1"],
};

const fine = { block: "latest", number: "latest", address: nobody, hash, place: "0x0", bytes: "0x", slot: word };

/** Methods whose parameters are all of these kinds. */
const methods = {
  eth_getBalance: ["address", "block"],
  eth_getCode: ["address", "block"],
  eth_getTransactionCount: ["address", "block"],
  eth_getStorageAt: ["address", "slot", "block"],
  eth_getBlockByHash: ["hash"],
  eth_getBlockTransactionCountByHash: ["hash"],
  eth_getBlockTransactionCountByNumber: ["number"],
  eth_getUncleCountByBlockHash: ["hash"],
  eth_getUncleCountByBlockNumber: ["number"],
  eth_getTransactionByBlockHashAndIndex: ["hash", "place"],
  eth_getTransactionByBlockNumberAndIndex: ["number", "place"],
  eth_getTransactionByHash: ["hash"],
  eth_getTransactionReceipt: ["hash"],
  eth_getBlockReceipts: ["block"],
  eth_sendRawTransaction: ["bytes"],
  debug_getRawTransaction: ["hash"],
  debug_traceTransaction: ["hash"],
  debug_traceBlockByHash: ["hash"],
  debug_traceBlockByNumber: ["number"],
};

function* wrongParameters() {
  for (const [method, kinds] of Object.entries(methods)) {
    yield [method];
    yield [method, ...kinds.map((kind) => fine[kind]), "0x0", "0x0", "0x0"];
    for (const [at, kind] of kinds.entries()) {
      for (const value of wrong[kind]) {
        yield [method, ...kinds.map((one, place) => (place === at ? value : fine[one]))];
      }
    }
  }
}

const calls = [
  {}, null, 1, [], "0x", { to: "0x12" }, { to: nobody, data: "0x1" }, { to: nobody, data: "zz" }, { from: 1 },
  { to: nobody, value: "0x01" }, { to: nobody, value: "1" }, { to: nobody, value: 1 }, { to: nobody, gas: "0x" },
  { to: nobody, gas: "0xffffffffffffffffff" }, { to: nobody, gas: "0x5208", value: "0x1" },
  { to: nobody, gas: "0x1" }, { from: nobody, to: nobody, value: "0x1" }, 
  { to: nobody, data: "0x01", input: "0x02" }, { to: nobody, data: "0x01", input: "0x01" },
  { to: nobody, gasPrice: "0x1", maxFeePerGas: "0x1" },
  { to: nobody, chainId: "0x1" },
  { to: nobody, type: "0x9" }, { to: nobody, accessList: 1 }, { to: nobody, accessList: [{ address: nobody }] },
  { unknown: 1 },
  { blobVersionedHashes: [word] }, { data: `0x${"00".repeat(49_153)}` }, { data: "0xef" }, { data: "0xfe" },
  { data: "0x5b600056", gas: "0x186a0" }, { data: "0x60006000fd" }, { data: "0x50" }, { to: null, data: "0x" },
];

const tracers = [
  1, [], { tracer: 1 }, { timeout: 1 }, { reexec: "1" },
  { tracer: "prestateTracer", tracerConfig: { diffMode: true } }, { tracer: "noopTracer" },
  { tracer: "muxTracer", tracerConfig: { callTracer: {}, prestateTracer: {} } },
  { enableMemory: 1 }, { limit: 1 },
];

const overrides = [
  1, [], { 1: {} }, { [nobody]: 1 }, { [nobody]: { balance: "0x01" } }, { [nobody]: { balance: "0x1" } },
  { [nobody]: { code: "0x1" } }, { [nobody]: { nonce: 1 } }, { [nobody]: { state: {}, stateDiff: {} } },
  { [nobody]: { state: { 1: "0x" } } }, { [nobody]: { stateDiff: { [word]: "0x1" } } },
  { [nobody]: { movePrecompileToAddress: nobody } },
];

const blocks = [
  1, [], { number: 1 }, { number: "0x01" }, { time: "0x1" }, { gasLimit: "0x1" }, { feeRecipient: "0x1" },
  { prevRandao: "0x1" }, { baseFeePerGas: "0x1" }, { blobBaseFee: "0x1" }, { unknown: 1 },
  { beaconRoot: word },
];

/** More than a place of a filter takes. */
const many = (size) => Array.from({ length: 1001 }, (_, at) => numberToHex(at, { size }));

const filters = [
  {}, null, 1, [], { fromBlock: "0x01" }, { fromBlock: 1 }, { fromBlock: "0x7fffffff" },
  { fromBlock: "latest", toBlock: "0x0" }, { fromBlock: "0x2", toBlock: "0x1" }, { blockHash: hash },
  { blockHash: hash, fromBlock: "0x1" }, { blockHash: "0x1" }, { address: "0x1" }, { address: [] },
  { address: [nobody, 1] }, { address: 1 }, { topics: 1 }, { topics: ["0x1"] }, { topics: [1] }, { topics: [null] },
  { topics: [[null]] }, { topics: [[1]] }, { topics: [word, word, word, word, word] }, { topics: [[]] },
  { fromBlock: "soon" }, { address: many(20) }, { topics: [many(32)] },
];

const simulations = [
  {}, null, 1, [], { blockStateCalls: [] }, { blockStateCalls: 1 }, { blockStateCalls: [{ calls: 1 }] },
  { blockStateCalls: [{ calls: [{ to: nobody, gas: "0x1" }] }] },
  { blockStateCalls: [{ calls: [{ from: nobody, to: nobody, value: "0x1" }] }] },
  { blockStateCalls: [{ calls: [{ to: nobody, nonce: "0x5" }] }], validation: true },
  { blockStateCalls: Array(257).fill({}) },
  { blockStateCalls: [{ calls: [{ to: nobody, gas: "0x7fffffffffff" }] }] },
];

const others = [
  ["eth_noSuchMethod"], ["nosuch"], ["eth_chainId", 1], ["eth_blockNumber", 1], ["eth_syncing"], 
  ["net_version", 1], ["net_listening"], ["net_peerCount", 1], ["web3_sha3"], ["web3_sha3", "0x1"], ["web3_sha3", "0x12"],
  ["eth_getBlockByNumber"], ["eth_getBlockByNumber", "latest"], ["eth_getBlockByNumber", "latest", 1],
  ["eth_getBlockByNumber", "0x7fffffff", true], ["eth_getBlockByHash", hash, false], ["eth_getBlockByHash", hash, "x"],
  ["eth_getUncleByBlockNumberAndIndex", "latest", "0x0"], ["eth_getUncleByBlockHashAndIndex", hash, "0x0"],
  ["eth_getProof"], ["eth_getProof", nobody], ["eth_getProof", nobody, []], ["eth_getProof", nobody, [], "0x7fffffff"],
  ["eth_getProof", nobody, ["0xzz"], "latest"], ["eth_getProof", nobody, [`${word}00`], "latest"],
  ["eth_getProof", nobody, "0x1", "latest"], ["eth_getProof", nobody, [1], "latest"], ["eth_getProof", "0x1", [], "latest"],
  ["eth_getProof", nobody, Array(1025).fill("0x1"), "latest"],
  ["eth_feeHistory"], ["eth_feeHistory", "0x1"], ["eth_feeHistory", "0x1", "latest"],
  ["eth_feeHistory", "0x1", "latest", [101]], ["eth_feeHistory", "0x1", "latest", [-1]],
  ["eth_feeHistory", "0x1", "latest", [50, 10]], ["eth_feeHistory", "0x1", "latest", ["a"]],
  ["eth_feeHistory", "soon", "latest", []], 
  ["eth_feeHistory", "0x1", "latest", Array.from({ length: 101 }, (_, at) => at / 2)],
  ["eth_getFilterChanges", "0x1"], ["eth_getFilterChanges", 1], ["eth_getFilterChanges"], ["eth_getFilterLogs", "0x1"],
  ["eth_uninstallFilter", "0x1"], ["eth_uninstallFilter"], ["eth_subscribe", "newHeads"],
  ["txpool_status", 1], ["txpool_contentFrom", "0x1"], ["txpool_contentFrom", nobody], ["txpool_status"], ["txpool_content"],
  ["eth_hashrate"], ["eth_protocolVersion"], ["eth_getWork"], ["eth_compileSolidity", ""],
  ["eth_getTransactionBySenderAndNonce", nobody, "0x0"], ["eth_getHeaderByNumber", "0x7fffffff"],
  ["eth_getHeaderByHash", hash], ["eth_blobBaseFee", 1], ["eth_gasPrice", 1], ["eth_maxPriorityFeePerGas", 1],
  ["eth_sendRawTransaction", "0x00"], ["eth_sendRawTransaction", "0xc0"], ["eth_sendRawTransaction", "0x02"],
  ["eth_sendRawTransaction", "0x02c0"], ["eth_sendRawTransaction", "0x7fc0"],
  ["eth_sendRawTransaction", "0xf8"], ["eth_sendRawTransaction", "0x01"], ["eth_sendRawTransaction", "0x04c0"],
  ["eth_sendRawTransaction", "0xc180"], ["eth_sendRawTransaction", "0xff"], ["eth_sendRawTransaction", "0x80"],
  ["debug_traceCall"], ["debug_traceBlockByNumber", "0x0"],
  ["debug_traceBlockByNumber", "0x0", {}], ["debug_noSuch"], ["eth_newFilter"], ["eth_getLogs"],
];

/** All of them. */
export const questions = [
  ...wrongParameters(),
  ...calls.flatMap((call) => [
    ["eth_call", call, "latest"], ["eth_estimateGas", call, "latest"], ["eth_createAccessList", call, "latest"],
    ["debug_traceCall", call, "latest", { tracer: "callTracer" }],
  ]),
  ...wrong.block.map((block) => ["eth_call", { to: nobody }, block]),
  ...wrong.block.map((block) => ["debug_traceCall", { to: nobody }, block]),
  ...tracers.map((tracer) => ["debug_traceCall", { to: nobody }, "latest", tracer]),
  ...overrides.flatMap((one) => [
    ["eth_call", { to: nobody }, "latest", one], ["eth_estimateGas", { to: nobody }, "latest", one],
  ]),
  ...blocks.flatMap((one) => [
    ["eth_call", { to: nobody }, "latest", {}, one], ["eth_estimateGas", { to: nobody }, "latest", {}, one],
  ]),
  ...filters.map((filter) => ["eth_getLogs", filter]),
  ...simulations.map((one) => ["eth_simulateV1", one, "latest"]),
  ...others,
];
