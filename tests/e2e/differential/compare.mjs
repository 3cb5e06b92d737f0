// What of the answers is compared, and what is not and why.

/** What the others tell otherwise, who is right, and how often that was met. */
export const exceptions = {
  outerGas: "anvil leaves the intrinsic gas out of a trace's outermost gas; Geth tells the transaction's",
  texts: "anvil names failures as revm does, with codes of its own; why something fails is compared with Geth",
  refusal: "each says in its own words why it takes no transaction; Windlass's must be Geth's",
  touched: "anvil keeps touched empty accounts, and so refunds for authorities that are not there (EIP-7702)",
  end: "EthereumJS does not tell of the STOP behind the last instruction, as Geth does",
  unknown: "EthereumJS calls each unknown opcode INVALID, and anvil Unknown; Geth tells its byte",
  absent: "Geth proves an account that is not there with hashes of zero; Windlass that it is empty",
  slow: "Geth tries lists for a deep recursion until its time is over",
  failedCost: "anvil tells of an instruction that fails what it had paid for it, Geth what it would have cost",
  created: "anvil counts what a creation hands on among the costs of CREATE",
  unsigned: "Geth names a transaction for an access list by the hash that it would have without a signature",
  parser: "each tells in its own words what a parameter is instead of what it should be",
  lenient: "Windlass reads some parameters that Geth refuses, and misses none that has a default",
};
const met = new Map();

export function except(name) {
  met.set(name, (met.get(name) ?? 0) + 1);
}

export function exceptionLines() {
  return Object.entries(exceptions).map(([name, reason]) => `excepted ${met.get(name) ?? 0} times: ${reason}`);
}

/** revm's names, as anvil tells them, in Geth's words. */
const gethTexts = {
  CallGasCostMoreThanGasLimit: "err: intrinsic gas too low",
  CallNotAllowedInsideStatic: "write protection",
  CallTooDeep: "max call depth exceeded",
  CreateCollision: "contract address collision",
  CreateContractSizeLimit: "max code size exceeded",
  CreateContractStartingWithEF: "invalid code: must not begin with 0xef",
  GasFloorMoreThanGasLimit: "err: insufficient gas for floor data gas cost",
  InvalidFEOpcode: "invalid opcode: INVALID",
  InvalidJump: "invalid jump destination",
  InvalidOperandOOG: "gas uint64 overflow",
  MemoryOOG: "out of gas",
  NotActivated: "invalid opcode",
  OpcodeNotFound: "invalid opcode: opcode 0xc not defined",
  OutOfFunds: "insufficient balance for transfer",
  OutOfGas: "out of gas",
  OutOfOffset: "return data out of bounds",
  // Geth has a text for each flaw of an input, which nothing but Geth tells.
  PrecompileError: "precompile error",
  PrecompileOOG: "out of gas",
  ReentrancySentryOOG: "out of gas: not enough gas for reentrancy sentry",
  StackOverflow: "stack limit reached",
  StackUnderflow: "stack underflow",
  StateChangeDuringStaticCall: "write protection",
};

/** What an instruction fails with when it has begun. */
const lateFailures = ["InvalidFEOpcode", "InvalidJump", "NotActivated", "OpcodeNotFound", "OutOfOffset"];

/** Geth's words for those of Solidity's panics that the programs make. */
const panics = {
  1: "assert(false)",
  17: "arithmetic underflow or overflow",
  50: "out-of-bounds access of an array or bytesN",
  99: "unknown panic code: 0x63",
};

/** Where two values are not the same. */
export function differing(a, b, path = "") {
  if (a === b) return [];
  const both = [a, b];
  if (both.some((one) => typeof one !== "object" || one === null)) return [{ path, a, b }];
  const keys = new Set(both.flatMap((one) => Object.keys(one)));
  return [...keys].flatMap((key) => differing(a[key], b[key], `${path}/${key}`));
}

const plainLog = ({ address, topics, data }) => ({ address: address.toLowerCase(), topics, data });

/** A receipt, or that there is none. EthereumJS gives what executes, and no more. */
export function plainReceipt({ result, error }, isShort = false) {
  if (error) return { isRefused: true };
  const { status, gasUsed, type, contractAddress, effectiveGasPrice, from, to, logsBloom } = result;
  const short = { status, gasUsed, logs: result.logs.map(plainLog) };
  return isShort ? short : { ...short, type, contractAddress, effectiveGasPrice, from, to, logsBloom };
}

/** What a call or an estimate answers. How near to the least gas an estimate comes is each one's own. */
export function plainOutcome(method, { result, error }) {
  if (!error) return method === "eth_call" ? { result } : {};
  return { code: error.code, message: error.message, data: error.data };
}

/** The same of anvil's, in Geth's words and with its code. */
export function gethOutcome(outcome, ours) {
  const { code, message = "", data } = outcome;
  const text = code === 3 ? revertText(message, data) : gethText(message);
  if (text === undefined) return outcome;
  except("texts");
  if (code === 3) return { code, message: text, data };
  return { code: -32000, message: ours.message ?? text, data };
}

/** Geth decodes Error(string) and Panic(uint256), and anvil whatever looks like text or like an error. */
function revertText(message, data = "0x") {
  if (data.startsWith("0x08c379a0")) return undefined;
  if (!data.startsWith("0x4e487b71")) return "execution reverted";
  return `execution reverted: ${panics[Number(`0x${data.slice(-4)}`)]}`;
}

function gethText(message) {
  const allowance = message.match(/^Out of gas: gas required exceeds allowance: (\d+)$/);
  if (allowance) return `gas required exceeds allowance (${allowance[1]})`;
  const [, , name] = message.match(/^(EVM error |intrinsic gas too high -- )(\w+)$/) ?? [];
  return gethTexts[name];
}

export function plainCalls(call) {
  const { type, from, to, value, gas, gasUsed, input, output, error, revertReason } = call;
  const { logs = [], calls = [] } = call;
  const plain = { type, from, to, value, gas, gasUsed, input, output, error, revertReason };
  return { ...plain, logs: logs.map(plainLog), calls: calls.map(plainCalls) };
}

/** The same of anvil's, in Geth's words. */
export function gethCalls(call, ours) {
  const calls = call.calls.map((inner, index) => gethCalls(inner, ours?.calls[index]));
  // What failed logged nothing in the end.
  const logs = call.error && ours?.error ? [] : call.logs;
  const isFailed = [call.error, ours?.error].every((text) => text && text !== "execution reverted");
  if (isFailed && call.error !== ours.error) except("texts");
  return { ...call, error: isFailed ? ours.error : call.error, logs, calls };
}

/** Instructions; what they cost only where both sides tell it. */
export function plainSteps(steps, isLong = false) {
  return steps.map(({ pc, op, gas, depth, stack, gasCost, error }) =>
    isLong ? { pc, op, gas, depth, stack, gasCost, error } : { pc, op, gas, depth, stack },
  );
}

/** anvil's instructions, in Geth's words. */
export function gethSteps(steps, ours) {
  return steps.map((step, at) => {
    const same = gethStep(step, ours[at] ?? {});
    const name = step.error?.match(/^Some\((\w+)\)$/)?.[1];
    if (!name) return same;
    except("texts");
    if (ours[at]?.gasCost !== step.gasCost) except("failedCost");
    // Geth says why only where it sees that before the instruction begins.
    const text = lateFailures.includes(name) ? undefined : gethTexts[name];
    return { ...same, gasCost: ours[at]?.gasCost, error: text && (ours[at]?.error ?? text) };
  });
}

function gethStep(step, ours) {
  if (step.op === "Unknown" && ours.op?.endsWith(" not defined")) {
    except("unknown");
    return { ...step, op: ours.op };
  }
  if (!step.op.startsWith("CREATE") || step.gasCost === ours.gasCost) return step;
  except("created");
  return { ...step, gasCost: ours.gasCost };
}

/** Windlass's instructions, without what EthereumJS does not tell of. */
export function sharedSteps(ours, theirs) {
  const shared = [];
  for (const step of ours) {
    const other = theirs[shared.length];
    const isEnd = step.op === "STOP" && (other?.op !== "STOP" || other.depth !== step.depth);
    if (isEnd) except("end");
    else if (step.op !== "INVALID" && other?.op === "INVALID") shared.push({ ...step, op: "INVALID" });
    else shared.push(step);
    if (!isEnd && shared.at(-1) !== step) except("unknown");
  }
  return shared;
}
