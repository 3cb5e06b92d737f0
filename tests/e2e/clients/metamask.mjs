// The calls that MetaMask makes, in its order and form, without MetaMask: from the adding of a network
// to a token's transfer, from an account without balance. Each answer's shape is held, since MetaMask
// reads them without a library in between.
import assert from "node:assert/strict";
import { encodeDeployData, encodeFunctionData, hexToBigInt, pad, toEventSelector } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { post, step, token } from "./common.mjs";

const account = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey());
const from = account.address.toLowerCase();

const QUANTITY = /^0x(0|[1-9a-f][0-9a-f]*)$/;
const HASH = /^0x[0-9a-f]{64}$/;
const ADDRESS = /^0x[0-9a-f]{40}$/;
const DATA = /^0x([0-9a-f]{2})*$/;

// MetaMask counts its ids from a random number of this size.
let id = 2_816_534_109_337_211;
const request = (method, ...params) => ({ id: id++, jsonrpc: "2.0", method, params });

/** The answer to a request that must have a result. */
function resultOf(asked, answer) {
  assert.deepEqual(Object.keys(answer).sort(), ["id", "jsonrpc", "result"], JSON.stringify(answer));
  assert.equal(answer.id, asked.id);
  assert.equal(answer.jsonrpc, "2.0");
  return answer.result;
}

async function call(method, ...params) {
  const asked = request(method, ...params);
  const { status, body } = await post(asked);
  assert.equal(status, 200);
  return resultOf(asked, body);
}

/** The error of a request that must have one. */
async function refusal(method, ...params) {
  const { status, body } = await post(request(method, ...params));
  assert.equal(status, 200);
  assert.equal(body.result, undefined);
  return body.error;
}

/** Asserts that fields are there and have these forms; a value that is no pattern has to be equal. */
function shaped(found, expected) {
  for (const [name, form] of Object.entries(expected)) {
    if (form instanceof RegExp) assert.match(found[name], form, name);
    else assert.deepEqual(found[name], form, name);
  }
}

const BLOCK = {
  baseFeePerGas: QUANTITY,
  difficulty: QUANTITY,
  extraData: DATA,
  gasLimit: QUANTITY,
  gasUsed: QUANTITY,
  hash: HASH,
  logsBloom: DATA,
  miner: ADDRESS,
  mixHash: HASH,
  nonce: /^0x[0-9a-f]{16}$/,
  number: QUANTITY,
  parentHash: HASH,
  receiptsRoot: HASH,
  sha3Uncles: HASH,
  size: QUANTITY,
  stateRoot: HASH,
  timestamp: QUANTITY,
  transactionsRoot: HASH,
  uncles: [],
};

const chainId = await step("a network is added", async () => {
  const chain = await call("eth_chainId");
  assert.match(chain, QUANTITY);
  assert.equal(await call("net_version"), hexToBigInt(chain).toString());
  // What MetaMask can't hold as a number it refuses to add.
  assert.ok(Number(chain) <= 4_503_599_627_370_476, `the chain id ${chain} is too large for MetaMask`);
  return Number(chain);
});

await step("blocks and balances are polled", async () => {
  const number = await call("eth_blockNumber");
  assert.match(number, QUANTITY);
  const block = await call("eth_getBlockByNumber", "latest", false);
  shaped(block, BLOCK);
  assert.ok(Array.isArray(block.transactions));
  assert.equal(block.logsBloom.length, 514);
  assert.ok(hexToBigInt(block.number) >= hexToBigInt(number));
  assert.equal(await call("eth_getBalance", from, "latest"), "0x0");
  assert.equal(await call("eth_getBalance", from, block.number), "0x0");
  assert.equal(await call("eth_getBlockByNumber", "0xffffffff", false), null);
});

await step("balances by a contract that is not there", async () => {
  // Multicall3's `getEthBalance`, and `balances(address[],address[])` of MetaMask's own contract.
  for (const to of [
    "0xca11bde05977b3631167028862be2a173976ca11",
    "0xb1f8e55c7f64d203c1400b9d8555d050f94adf39",
  ]) {
    const data = `0x4d2301cc${pad(from).slice(2)}`;
    assert.equal(await call("eth_call", { to, data }, "latest"), "0x");
    assert.equal(await call("eth_getCode", to, "latest"), "0x");
  }
});

const fees = await step("the fee market is found", async () => {
  const block = await call("eth_getBlockByNumber", "latest", false);
  assert.notEqual(block.baseFeePerGas, undefined);
  for (const count of ["0x5", "0x1"]) {
    const history = await call("eth_feeHistory", count, "latest", [10, 20, 30]);
    const blocks = history.gasUsedRatio.length;
    assert.ok(blocks >= 1 && blocks <= Number(count));
    assert.match(history.oldestBlock, QUANTITY);
    assert.equal(history.baseFeePerGas.length, blocks + 1);
    assert.equal(history.reward.length, blocks);
    for (const fee of [...history.baseFeePerGas, ...history.reward.flat()]) assert.match(fee, QUANTITY);
    for (const rewards of history.reward) assert.equal(rewards.length, 3);
    for (const ratio of history.gasUsedRatio) assert.ok(ratio >= 0 && ratio <= 1);
  }
  const gasPrice = await call("eth_gasPrice");
  const tip = await call("eth_maxPriorityFeePerGas");
  for (const fee of [gasPrice, tip]) assert.match(fee, QUANTITY);
  const maxPriorityFeePerGas = hexToBigInt(tip);
  return { maxPriorityFeePerGas, maxFeePerGas: hexToBigInt(gasPrice) * 2n };
});

/** Estimates, signs and sends as MetaMask does, and polls until there is a receipt. */
async function transact(transaction) {
  const number = await call("eth_blockNumber");
  const estimated = await call("eth_estimateGas", { from, value: "0x0", ...transaction });
  assert.match(estimated, QUANTITY);
  const { gasLimit } = await call("eth_getBlockByNumber", number, false);
  assert.ok(hexToBigInt(estimated) <= hexToBigInt(gasLimit));
  // Its nonce is the larger of what is final and what is pending.
  const nonce = await call("eth_getTransactionCount", from, number);
  const pending = await call("eth_getTransactionCount", from, "pending");
  for (const count of [nonce, pending]) assert.match(count, QUANTITY);
  assert.ok(hexToBigInt(pending) >= hexToBigInt(nonce));
  const raw = await account.signTransaction({
    ...transaction,
    ...fees,
    type: "eip1559",
    chainId,
    nonce: Number(pending),
    gas: (hexToBigInt(estimated) * 3n) / 2n,
  });
  const hash = await call("eth_sendRawTransaction", raw);
  assert.match(hash, HASH);
  const sent = await call("eth_getTransactionByHash", hash);
  shaped(sent, { hash, from, nonce: pending, type: "0x2", chainId: `0x${chainId.toString(16)}` });
  let receipt = null;
  for (let asked = 0; receipt === null; asked++) {
    assert.ok(asked < 10, "there is no receipt");
    receipt = await call("eth_getTransactionReceipt", hash);
  }
  return { hash, receipt };
}

const contract = await step("a contract is deployed", async () => {
  const args = ["Windlass", "WND", 10n ** 24n];
  const { hash, receipt } = await transact({ data: encodeDeployData({ ...token, args }) });
  shaped(receipt, {
    transactionHash: hash,
    status: "0x1",
    type: "0x2",
    from,
    to: null,
    contractAddress: ADDRESS,
    blockHash: HASH,
    blockNumber: QUANTITY,
    transactionIndex: QUANTITY,
    cumulativeGasUsed: QUANTITY,
    effectiveGasPrice: QUANTITY,
    gasUsed: QUANTITY,
    logsBloom: DATA,
  });
  return receipt.contractAddress;
});

const erc20 = (functionName, args) => encodeFunctionData({ abi: token.abi, functionName, args });

await step("a token is imported", async () => {
  const read = (data) => call("eth_call", { to: contract, data }, "latest");
  assert.equal(hexToBigInt(await read(erc20("decimals"))), 18n);
  assert.match(await read(erc20("symbol")), DATA);
  assert.equal(hexToBigInt(await read(erc20("balanceOf", [from]))), 10n ** 24n);
  assert.notEqual(await call("eth_getCode", contract, "latest"), "0x");
  // Is it an NFT? ERC-165's question is answered by a revert without data.
  const error = await refusal(
    "eth_call",
    { to: contract, data: `0x01ffc9a780ac58cd${"0".repeat(56)}` },
    "latest",
  );
  assert.equal(error.message, "execution reverted");
  assert.ok([3, -32000].includes(error.code));
});

await step("nothing is sent to a friend", async () => {
  // To an account without code MetaMask estimates nothing, after it has asked for the code.
  assert.equal(await call("eth_getCode", friend.address.toLowerCase(), "latest"), "0x");
  const { hash, receipt } = await transact({ to: friend.address.toLowerCase() });
  shaped(receipt, { status: "0x1", gasUsed: "0x5208", logs: [], contractAddress: null });
  const block = await call("eth_getBlockByNumber", receipt.blockNumber, false);
  shaped(block, { ...BLOCK, hash: receipt.blockHash });
  assert.ok(block.transactions.includes(hash));
  assert.deepEqual(await call("eth_getBlockByHash", receipt.blockHash, false), block);
});

const transfer = await step("a token is sent to a friend", async () => {
  const to = contract;
  const { hash, receipt } = await transact({ to, data: erc20("transfer", [friend.address, 7n]) });
  shaped(receipt, { status: "0x1", to, contractAddress: null });
  shaped(receipt.logs[0], {
    address: contract,
    topics: [toEventSelector("Transfer(address,address,uint256)"), pad(from), pad(friend.address).toLowerCase()],
    data: pad("0x7"),
    blockHash: receipt.blockHash,
    blockNumber: receipt.blockNumber,
    transactionHash: hash,
    transactionIndex: receipt.transactionIndex,
    logIndex: QUANTITY,
    removed: false,
  });
  shaped(await call("eth_getTransactionByHash", hash), {
    blockHash: receipt.blockHash,
    blockNumber: receipt.blockNumber,
    transactionIndex: receipt.transactionIndex,
    accessList: [],
    gas: QUANTITY,
    gasPrice: receipt.effectiveGasPrice,
    maxFeePerGas: QUANTITY,
    maxPriorityFeePerGas: QUANTITY,
    input: DATA,
    to,
    value: "0x0",
    v: /^0x[01]$/,
    r: QUANTITY,
    s: QUANTITY,
  });
  return receipt;
});

await step("a transfer of too much is foreseen", async () => {
  const data = erc20("transfer", [from, 8n]);
  const error = await refusal("eth_estimateGas", { from: friend.address, to: contract, data });
  assert.equal(error.code, 3);
  assert.equal(error.message, "execution reverted");
  assert.match(error.data, DATA);
});

await step("a value that the account has not is refused", async () => {
  const value = "0xde0b6b3a7640000";
  const error = await refusal("eth_estimateGas", { from, to: friend.address, value });
  assert.equal(error.code, -32000);
  assert.match(error.message, /insufficient funds/);
});

await step("tokens are found by their logs", async () => {
  const topics = [toEventSelector("Transfer(address,address,uint256)"), null, pad(friend.address)];
  const found = await call("eth_getLogs", { fromBlock: "0x0", toBlock: "latest", topics });
  assert.deepEqual(found.map((log) => log.transactionHash), [transfer.transactionHash]);
  assert.deepEqual(found[0], transfer.logs[0]);
});

await step("a batch", async () => {
  const asked = [
    request("eth_chainId"),
    request("net_version"),
    request("eth_blockNumber"),
    request("eth_getBlockByNumber", "latest", false),
    request("eth_getBalance", from, "latest"),
    request("eth_feeHistory", "0x5", "latest", [10, 20, 30]),
    request("eth_getTransactionCount", from, "pending"),
    request("eth_getCode", contract, "latest"),
    request("eth_call", { to: contract, data: erc20("balanceOf", [friend.address]) }, "latest"),
    request("eth_getTransactionReceipt", transfer.transactionHash),
    request("eth_getTransactionReceipt", `0x${"ab".repeat(32)}`),
  ];
  const { status, body } = await post(asked);
  assert.equal(status, 200);
  assert.equal(body.length, asked.length);
  const answers = asked.map((one) => resultOf(one, body.find((answer) => answer.id === one.id)));
  const [chain, version, number, block, balance, history, count, code, tokens, receipt, none] = answers;
  assert.equal(Number(chain), chainId);
  assert.equal(version, String(chainId));
  assert.match(number, QUANTITY);
  shaped(block, BLOCK);
  assert.equal(balance, "0x0");
  assert.ok(history.baseFeePerGas.length >= 2);
  assert.equal(count, "0x3");
  assert.notEqual(code, "0x");
  assert.equal(hexToBigInt(tokens), 7n);
  assert.deepEqual(receipt, transfer);
  assert.equal(none, null);
});

await step("asked by the extension", async () => {
  // A browser puts the extension's origin on each of its requests.
  const origin = "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn";
  const { status, body } = await post(request("eth_chainId"), { origin });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(Number(body.result), chainId);
});

console.log("metamask: all steps passed");
