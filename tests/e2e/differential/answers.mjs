// What is asked of a network and of Geth alike, whose answers have to be the same to the letter, errors
// and their codes included: about a transaction before and after it is in a block, and about nothing
// that is there. Left out is only what tells of the block that a transaction is in.
import { toHex } from "viem";
import { except } from "./compare.mjs";

const noHash = `0x${"00".repeat(32)}`;
const emptyCode = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
/** Who is paid in calls: in the first block that Geth makes by itself it is somebody else. */
const blockOverrides = { feeRecipient: `0x${"fe".repeat(20)}` };
const emptyTrie = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";

/** Of the block, which is not the same. */
const ofBlock = new Set(["blockHash", "blockNumber", "blockTimestamp"]);

/** An answer without what tells of its block. */
export function withoutBlock(value) {
  if (Array.isArray(value)) return value.map(withoutBlock);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !ofBlock.has(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutBlock(inner)]));
}

/** What a transaction would do, asked before it is sent. */
export function questionsBefore({ tx, from, kind }) {
  const isDeep = kind === "recursion";
  const { to, data = "0x", value, gas } = tx;
  const request = { from, to, data, value: toHex(value), gas: toHex(gas) };
  const { gas: _, ...open } = request;
  return [
    ["eth_call", request, "latest"],
    ["eth_call", open, "latest"],
    ["eth_estimateGas", request, "latest"],
    ["eth_estimateGas", open, "latest"],
    ...(isDeep ? [] : [["eth_createAccessList", request, "latest"]]),
    ["debug_traceCall", request, "latest", { tracer: "callTracer" }],
    ["debug_traceCall", request, "latest", { tracer: "prestateTracer" }],
    ["debug_traceCall", open, "latest", { tracer: "prestateTracer", tracerConfig: { diffMode: true }, blockOverrides }],
  ];
}

/** What a transaction in a block is and did; all of its steps only where they are few. */
export function questionsAfter(hash, isShort) {
  const trace = (options) => ["debug_traceTransaction", hash, options];
  const tracer = (name, tracerConfig) => trace({ tracer: name, tracerConfig });
  const steps = [{}, { enableMemory: true, enableReturnData: true, disableStack: true }, { disableStorage: true, limit: 5000 }];
  return [
    ["eth_getTransactionByHash", hash],
    ["eth_getRawTransactionByHash", hash],
    ["debug_getRawTransaction", hash],
    tracer("callTracer", { withLog: true }),
    tracer("callTracer", { onlyTopCall: true }),
    tracer("prestateTracer", {}),
    tracer("prestateTracer", { diffMode: true }),
    tracer("prestateTracer", { disableCode: true, disableStorage: true }),
    tracer("prestateTracer", { diffMode: true, disableCode: true }),
    tracer("prestateTracer", { includeEmpty: true }),
    tracer("4byteTracer"),
    tracer("flatCallTracer", { convertParityErrors: isShort, includePrecompiles: isShort }),
    tracer("muxTracer", { callTracer: {}, prestateTracer: { diffMode: true }, "4byteTracer": {}, noopTracer: {} }),
    ...(isShort ? steps.map(trace) : []),
  ];
}

/** What Geth proves of an account, without the proof, which leads to another root. */
export function provenParts({ balance, nonce, codeHash, storageHash, storageProof }) {
  const isAbsent = codeHash === noHash && storageHash === noHash;
  if (isAbsent) except("absent");
  const hashes = isAbsent ? { codeHash: emptyCode, storageHash: emptyTrie } : { codeHash, storageHash };
  return { balance, nonce, ...hashes, storageProof };
}

/** Both answers, without what the exceptions say. */
export function alike([method], ours, theirs) {
  if (ours.error || theirs.error) return alikeErrors(ours, theirs);
  if (!ours.result || !theirs.result) return [ours, theirs];
  if (method === "eth_getProof") return [ours, theirs].map(({ result }) => provenParts(result));
  return [ours, theirs];
}

function alikeErrors(ours, theirs) {
  const [code, said] = [theirs.error?.code, theirs.error?.message ?? ""];
  const isParsed = code === -32602 && /^invalid argument \d+: /.test(said);
  if (isParsed || (code === -32602 && said.startsWith("missing value"))) {
    const isRefused = ours.error?.code === -32602;
    except(isRefused ? "parser" : "lenient");
    if (!isRefused) return [undefined, undefined];
    return [ours, theirs].map(({ error }) => error.code);
  }
  if (!ours.error || !theirs.error) return [ours, theirs];
  const message = said.replace(/^(failed to apply transaction: )0x[0-9a-f]{64} /, "$1");
  if (message !== said) except("unsigned");
  return [ours, { error: { ...theirs.error, message } }];
}
