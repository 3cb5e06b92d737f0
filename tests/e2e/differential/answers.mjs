// What is asked of a network and of Geth alike, whose answers have to be the same to the letter, errors
// and their codes included: about a transaction before and after it is in a block, and about nothing
// that is there. Left out is only what tells of the block that a transaction is in.
import { toHex } from "viem";
import { deposit, except } from "./compare.mjs";

const noHash = `0x${"00".repeat(32)}`;
const emptyCode = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
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
  ];
}

/** What a transaction in a block is and did; all of its steps only where they are few. */
export function questionsAfter(hash, isShort) {
  const trace = (options) => ["debug_traceTransaction", hash, options];
  const tracer = (name, tracerConfig) => trace({ tracer: name, tracerConfig });
  const steps = [{}, { enableMemory: true, enableReturnData: true, disableStack: true }, { disableStorage: true }];
  return [
    ["eth_getTransactionByHash", hash],
    ["eth_getRawTransactionByHash", hash],
    ["debug_getRawTransaction", hash],
    tracer("callTracer", { withLog: true }),
    tracer("callTracer", { onlyTopCall: true }),
    tracer("prestateTracer", {}),
    tracer("prestateTracer", { diffMode: true }),
    tracer("prestateTracer", { disableCode: true, disableStorage: true }),
    tracer("4byteTracer"),
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
export function alike([method, ...params], ours, theirs) {
  if (ours.error || theirs.error) return alikeErrors(ours, theirs);
  if (!ours.result || !theirs.result) return [ours, theirs];
  const name = params.at(-1)?.tracer;
  if (name === "prestateTracer") return alikeStates(ours.result, theirs.result);
  if (name === "callTracer") return [ours, { result: alikeCalls(ours.result, theirs.result) }];
  if (name === undefined && method.startsWith("debug_trace")) return alikeSteps(ours.result, theirs.result);
  if (method === "eth_getProof") return [ours, theirs].map(({ result }) => provenParts(result));
  const { error } = ours.result;
  if (error) return [ours, { result: { ...theirs.result, error: alikeText(error, theirs.result.error) } }];
  return [ours, theirs];
}

const precompileTexts = ["precompiled failed", "precompile error"];

/** Their text for a failure, or ours where that says the same less well. */
function alikeText(ours, theirs) {
  const name = {
    deposit: ours === "out of gas" && theirs === deposit,
    precompile: precompileTexts.includes(ours) && theirs !== undefined,
    wrapped: /^(out of gas|write protection)$/.test(ours) && theirs === `out of gas: ${ours}`,
    order: /^out of gas$|^gas required exceeds/.test(ours) && /^stack underflow|^gas uint64/.test(theirs),
    unknown: ours === "invalid opcode" && theirs?.startsWith("invalid opcode: opcode"),
    later: ours?.startsWith("invalid opcode") && /^invalid opcode: [A-Z]+$/.test(theirs),
    copied: /^Out of stack|^stack limit/.test(ours) && theirs?.startsWith("stack underflow"),
    numbers: theirs?.startsWith(`${ours} (`) || theirs?.startsWith(`${ours}: code size `),
  };
  for (const [exception, isMet] of Object.entries(name)) {
    if (!isMet) continue;
    except(exception);
    return ours;
  }
  return theirs;
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
  return [ours, { error: { ...theirs.error, message: alikeText(ours.error.message, message) } }];
}

function alikeCalls(ours, theirs) {
  const calls = theirs.calls?.map((call, at) => alikeCalls(ours.calls?.[at] ?? {}, call));
  const error = alikeText(ours.error, theirs.error);
  return { ...theirs, ...(error && { error }), ...(calls && { calls }) };
}

function alikeStates(ours, theirs) {
  if (!theirs.pre || !theirs.post) return alikeAccounts(ours, theirs);
  const [pre, otherPre] = alikeAccounts(ours.pre, theirs.pre);
  const [post, otherPost] = alikeAccounts(ours.post, theirs.post);
  return [{ pre, post }, { pre: otherPre, post: otherPost }];
}

/** The accounts that both tell of, with what both tell of them. */
function alikeAccounts(ours, theirs) {
  const [mine, others] = [ours, theirs].map((side) => ({ ...side }));
  for (const [address, { codeHash, ...rest }] of Object.entries(theirs)) {
    if (codeHash) except(codeHash === noHash ? "absent" : "codeHash");
    others[address] = rest;
    if (rest.code === "0x") delete rest.code;
    if (ours[address]) continue;
    except(Object.keys(rest).length === 0 ? "absent" : "authority");
    delete others[address];
  }
  for (const [address, account] of Object.entries(ours)) {
    const storage = Object.entries(account.storage ?? {});
    const known = storage.filter(([slot]) => theirs[address]?.storage?.[slot] !== undefined);
    if (known.length < storage.length) except("listed");
    mine[address] = { ...account, ...(account.storage && { storage: Object.fromEntries(known) }) };
    if (known.length === 0) delete mine[address].storage;
    if (others[address]) continue;
    except(JSON.stringify(account) === '{"balance":"0x0"}' ? "absent" : "listed");
    delete mine[address];
  }
  return [mine, others];
}

function alikeSteps(ours, theirs) {
  const structLogs = theirs.structLogs.map((step, at) => {
    const mine = ours.structLogs[at] ?? {};
    const same = { ...step };
    const take = (field, exception) => {
      if (JSON.stringify(same[field]) === JSON.stringify(mine[field])) return;
      except(exception);
      if (mine[field] === undefined) delete same[field];
      else same[field] = mine[field];
    };
    const error = alikeText(mine.error, step.error);
    if (error) same.error = error;
    const isEnd = step.error || (theirs.structLogs[at + 1]?.depth ?? 0) < step.depth;
    if (isEnd) take("gasCost", "failedCost");
    if (step.op.startsWith("CREATE")) take("gasCost", "created");
    if (mine.op === "Unknown" && step.op.endsWith("not defined")) take("op", "unknown");
    if (step.storage && mine.storage) take("storage", "slots");
    take("refund", "refund");
    return same;
  });
  return [ours, { ...theirs, structLogs }];
}
