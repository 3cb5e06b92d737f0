// The same random transactions on a network, on Geth, on anvil and in EthereumJS; whatever they do not
// agree on is printed. ENDPOINT is the network's URL, of one without fees; SEED and COUNT say which transactions
// and how many, SHOW how many differences are printed; a FUNDED_KEY, of an account with a balance on the network, lets some of them move value.
// Nobody else may act on the network meanwhile. Where anvil and EthereumJS are wrong, or tell something
// otherwise than Geth, `exceptions` in compare.mjs says so; the rest is a difference.
import { keccak256, parseEther, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { Mix } from "./mix.mjs";
import { Random, commonAddresses } from "./programs.mjs";
import { EthereumJs, Remote, hardfork, startAnvil } from "./sides.mjs";
import { startGeth, systemContracts } from "./geth.mjs";
import { alike, provenParts, questionsAfter, questionsBefore, withoutBlock } from "./answers.mjs";
import { questions } from "./questions.mjs";
import {
  differing,
  except,
  exceptionLines,
  gethCalls,
  gethOutcome,
  gethSteps,
  plainCalls,
  plainOutcome,
  plainReceipt,
  plainSteps,
  sharedSteps,
} from "./compare.mjs";

const { ENDPOINT, FUNDED_KEY, SEED = "windlass", ROUND = "0", COUNT = "160" } = process.env;
if (!ENDPOINT) throw new Error("set ENDPOINT to the network's URL");

const MOST_SHOWN = Number(process.env.SHOW ?? 5);
const MOST_TEXT = 20_000;
/** anvil's first proof of a blob waits for its setup to be read. */
const PATIENCE_MS = 30_000;
const REFUSAL_MS = 300;
/** Instructions of larger transactions are not compared: their traces are long. */
const MOST_TRACED_GAS = 700_000n;
/** Some have too little gas; and who was rich may have lost all to a program it was delegated to. */
const usualRefusals =
  /intrinsic gas too low|insufficient gas for floor data gas cost|insufficient funds for gas \* price \+ value/;
const slots = Array.from({ length: 5 }, (_, slot) => `0x${slot.toString(16).padStart(64, "0")}`);

const windlass = new Remote("Windlass", ENDPOINT);
const chainId = Number(await windlass.get("eth_chainId"));
const latest = await windlass.get("eth_getBlockByNumber", "latest", false);
const gasLimit = Number(latest.gasLimit);
const { remote: anvil, stop } = await startAnvil(chainId, gasLimit);
const ethereumJs = await EthereumJs.start(chainId, gasLimit, latest.miner);
await anvil.get("anvil_setCoinbase", latest.miner);

let geth;

const counts = new Map();
const differences = [];
const touched = new Set();

/** Compares two answers, and says where they were given. */
function compare(what, sent, other, ours, theirs) {
  counts.set(what, (counts.get(what) ?? 0) + 1);
  const found = differing(ours, theirs);
  if (found.length > 0) differences.push({ what, sent, other, found, ours, theirs });
}

/**
 * Accounts of this seed that the network has not seen. A second run of a seed on a network is its next
 * round, with other accounts and transactions; to repeat it elsewhere, give that ROUND.
 */
async function freshMix() {
  for (let round = Number(ROUND); ; round++) {
    const random = new Random(`${SEED} ${round}`);
    const mix = new Mix(random, chainId, FUNDED_KEY !== undefined);
    const nonces = await Promise.all(mix.all.map((one) => nonceOf(one.address)));
    if (nonces.every((nonce) => nonce === 0)) return { mix, round };
  }
}

async function nonceOf(address) {
  return Number(await windlass.get("eth_getTransactionCount", address, "latest"));
}

async function fund(accounts) {
  const balance = parseEther("1");
  const account = privateKeyToAccount(FUNDED_KEY);
  let nonce = await nonceOf(account.address);
  for (const { address } of accounts) {
    const fees = { type: "legacy", gas: 21_000n, gasPrice: 0n };
    const tx = { chainId, to: address, value: balance, nonce: nonce++, ...fees };
    const { result } = await windlass.send(await account.signTransaction(tx), PATIENCE_MS);
    if (result?.status !== "0x1") throw new Error("the FUNDED_KEY's account could not send 1 ether");
    await anvil.get("anvil_setBalance", address, toHex(balance));
    await ethereumJs.fund(address, balance);
  }
}

/** Geth, with the balances that the addresses that every seed knows have there, and the rich ones. */
async function startGethFor(rich) {
  const alloc = {};
  for (const address of systemContracts) {
    alloc[address] = { balance: "0x0", nonce: "0x1", code: await windlass.get("eth_getCode", address, "latest") };
  }
  for (const address of commonAddresses) {
    const balance = await windlass.get("eth_getBalance", address, "latest");
    if (BigInt(balance) > 0n) alloc[address] = { ...alloc[address], balance };
  }
  if (FUNDED_KEY) for (const { address } of rich) alloc[address] = { balance: toHex(parseEther("1")) };
  return startGeth({ chainId, gasLimit, coinbase: latest.miner, timestamp: Number(latest.timestamp), alloc });
}

/** Asks Geth and the network the same. */
async function compareAnswers(what, sent, asked) {
  for (const [method, ...params] of asked) {
    const [ours, theirs] = await Promise.all([windlass.ask(method, params), geth.askSoon(method, params)]);
    if (!theirs) {
      except("slow");
      continue;
    }
    const where = { ...sent, steps: [], method, params };
    compare(what, where, "Geth", ...alike([method, ...params], withoutBlock(ours), withoutBlock(theirs)));
  }
}

/** Gives the addresses that every seed knows the balances that earlier runs have left there. */
async function alignCommon() {
  for (const address of commonAddresses) {
    const balance = await windlass.get("eth_getBalance", address, "latest");
    if (BigInt(balance) === 0n) continue;
    await anvil.get("anvil_setBalance", address, balance);
    await ethereumJs.fund(address, BigInt(balance));
  }
}

/** What calls and estimates answer before a transaction is sent. */
async function compareCalls(sent) {
  const { tx, from } = sent;
  const request = { from, to: tx.to, data: tx.data ?? "0x", value: toHex(tx.value), gas: toHex(tx.gas) };
  for (const method of ["eth_call", "eth_estimateGas"]) {
    const ask = async (side) => plainOutcome(method, await side.ask(method, [request, "latest"]));
    const [ours, theirs] = await Promise.all([windlass, anvil].map(ask));
    compare(method, sent, "anvil", ours, gethOutcome(theirs, ours));
  }
}

async function compareTraces(sent, hash) {
  const trace = (side, options) => side.get("debug_traceTransaction", hash, options);
  const options = { tracer: "callTracer", tracerConfig: { withLog: true } };
  const [ours, theirs] = await Promise.all([windlass, anvil].map((side) => trace(side, options)));
  collect(ours);
  const plain = plainCalls(ours);
  const calls = [plain, gethCalls(plainCalls(theirs), plain)];
  calls[1].gas = sent.gas;
  except("outerGas");
  if (sent.isTouched) calls[1].gasUsed = sent.gasUsed;
  compare("calls of a trace", sent, "anvil", ...calls);
  if (BigInt(sent.gasUsed) > MOST_TRACED_GAS) return;
  const ourSteps = (await trace(windlass, {})).structLogs;
  const shared = sharedSteps(plainSteps(ourSteps), sent.steps);
  compare("steps of a trace", sent, "EthereumJS", shared, sent.steps);
  if (sent.index % 3 > 0) return;
  const theirSteps = (await trace(anvil, {})).structLogs;
  const plainOurs = plainSteps(ourSteps, true);
  compare("steps of a trace", sent, "anvil", plainOurs, gethSteps(plainSteps(theirSteps, true), plainOurs));
}

/** Remembers each account of a trace. */
function collect(call) {
  for (const address of [call.from, call.to]) if (address) touched.add(address.toLowerCase());
  for (const inner of call.calls ?? []) collect(inner);
}

async function run(sent) {
  const isCalled = sent.tx.type !== "eip7702" && sent.kind !== "refused" && sent.index % 2 === 0;
  if (isCalled) {
    await compareCalls(sent);
    await compareAnswers("answer before", sent, questionsBefore(sent));
  }
  sent.steps = [];
  const onStep = (step) => sent.steps.push(step);
  const ours = await windlass.send(sent.raw, PATIENCE_MS);
  // What Windlass refuses, anvil's pool may keep for ever.
  const waiting = anvil.send(sent.raw, ours.error ? REFUSAL_MS : PATIENCE_MS);
  const third = await ethereumJs.send(sent.raw, onStep);
  const theirs = await waiting;
  await geth.settle(sent.from);
  const geths = await geth.send(sent.raw);
  compare("answer to a transaction", sent, "Geth", withoutBlock(ours), withoutBlock(geths));
  if (ours.error) return compareRefusals(sent, ours, theirs, third);
  sent.gasUsed = ours.result?.gasUsed;
  const [receipt, other, short] = [plainReceipt(ours), plainReceipt(theirs), plainReceipt(third, true)];
  compare("receipt", sent, "EthereumJS", plainReceipt(ours, true), short);
  sent.isTouched = isRefundOfTouched(sent, other, short);
  if (sent.isTouched) other.gasUsed = short.gasUsed;
  compare("receipt", sent, "anvil", receipt, other);
  const hash = keccak256(sent.raw);
  if (!theirs.error) await compareTraces(sent, hash);
  if (!geths.error) {
    const isShort = BigInt(sent.gasUsed) <= MOST_TRACED_GAS && sent.index % 3 === 0;
    await compareAnswers("answer after", sent, questionsAfter(hash, isShort));
  }
}

/** Whether anvil alone gave back what EIP-7702 gives for accounts that are there, or a capped part. */
function isRefundOfTouched(sent, theirs, third) {
  const less = Number(third.gasUsed) - Number(theirs.gasUsed);
  const isIt = sent.tx.type === "eip7702" && less > 0 && less <= 12_500 * sent.tx.authorizationList.length;
  if (isIt) except("touched");
  return isIt;
}

/** All refuse it, and Windlass says why as Geth does. */
function compareRefusals(sent, ours, theirs, third) {
  except("refusal");
  const why = sent.tx.why ?? usualRefusals;
  const said = why.test(ours.error.message) ? why : ours.error.message;
  compare("refusal", sent, "Geth", String(said), String(why));
  compare("refusal", sent, "anvil", plainReceipt(ours), plainReceipt(theirs));
  compare("refusal", sent, "EthereumJS", plainReceipt(ours), plainReceipt(third));
}

async function compareAccounts(mix) {
  for (const address of mix.pool) touched.add(address);
  // What the priority fees and rewards of a network do there is its own.
  touched.delete(latest.miner.toLowerCase());
  const addresses = [...touched];
  for (let at = 0; at < addresses.length; at += 10) {
    await Promise.all(addresses.slice(at, at + 10).map(compareAccount));
  }
}

async function compareAccount(address) {
  const proofs = [windlass, geth].map((side) => side.get("eth_getProof", address, slots, "latest"));
  const [proven, other] = (await Promise.all(proofs)).map(provenParts);
  compare("proven account", { address }, "Geth", proven, other);
  const sides = [windlass, anvil, ethereumJs].map((side) => side.account(address, slots));
  const [ours, theirs, third] = await Promise.all(sides);
  compare("account", { address }, "anvil", ours, theirs);
  compare("account", { address }, "EthereumJS", ours, third);
}

function show({ what, sent, other, found, ours, theirs }) {
  const { steps, ...rest } = sent;
  const plain = (_, one) => (typeof one === "bigint" || one instanceof RegExp ? String(one) : one);
  const text = (value) => JSON.stringify(value, plain)?.slice(0, MOST_TEXT);
  console.error(`\nDIFFERENCE in ${what} (seed ${SEED}, round ${round}): Windlass and ${other}`);
  console.error(`transaction  ${text(rest)}`);
  for (const { path, a, b } of found.slice(0, 8)) console.error(`at ${path}: ${text(a)} and ${text(b)}`);
  if (!Array.isArray(ours)) console.error(`Windlass  ${text(ours)}\n${other}  ${text(theirs)}`);
}

const began = performance.now();
const { mix, round } = await freshMix();
const started = await startGethFor(mix.rich);
geth = started.remote;
const version = await geth.get("web3_clientVersion");
console.log(`seed ${SEED}, round ${round}, chain ${chainId}, ${version}, anvil and EthereumJS with ${hardfork}`);
await alignCommon();
if (FUNDED_KEY) await fund(mix.rich);
const kinds = new Map();
for (let index = 0; index < Number(COUNT); index++) {
  const sent = { index, ...(await mix.next(index, nonceOf)) };
  sent.gas = toHex(sent.tx.gas);
  await run(sent);
  const known = kinds.get(sent.kind) ?? { total: 0, mined: 0 };
  kinds.set(sent.kind, known);
  known.total++;
  if (sent.gasUsed) known.mined++;
}
await compareAccounts(mix);
await compareAnswers("answer to anything", {}, questions);
stop();
started.stop();

for (const [kind, { total, mined }] of kinds) console.log(`sent ${kind}: ${total}, in a block ${mined}`);
for (const [what, count] of counts) console.log(`compared ${what}: ${count}`);
for (const line of exceptionLines()) console.log(line);
const took_ms = Math.round(performance.now() - began);
console.log(`${COUNT} transactions, ${differences.length} differences (${took_ms} ms)`);
for (const difference of differences.slice(0, MOST_SHOWN)) show(difference);
if (differences.length > 0) process.exit(1);
console.log("differential: all steps passed");
