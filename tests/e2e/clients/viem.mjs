// viem against a network, with its endpoint and no other setting, from an account without balance.
import assert from "node:assert/strict";
import {
  BaseError,
  ContractFunctionRevertedError,
  InsufficientFundsError,
  NonceTooLowError,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getAbiItem,
  getAddress,
  http,
  parseEther,
  webSocket,
  zeroAddress,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { endpoint, post, socketEndpoint, step, token, watched } from "./common.mjs";

const { abi, bytecode } = token;
const transport = http(endpoint, { retryCount: 0 });
const account = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey());

const chainId = await step("chain id", async () => {
  const id = await createPublicClient({ transport }).getChainId();
  assert.ok(Number.isSafeInteger(id) && id > 0);
  return id;
});
const chain = defineChain({
  id: chainId,
  name: "windlass",
  nativeCurrency: { name: "none", symbol: "NONE", decimals: 18 },
  rpcUrls: { default: { http: [endpoint] } },
});
const reader = createPublicClient({ chain, transport, pollingInterval: 20 });
const wallet = createWalletClient({ chain, transport, account });

await step("who answers", async () => {
  assert.equal(typeof (await reader.request({ method: "web3_clientVersion" })), "string");
  assert.equal(await reader.request({ method: "net_version" }), String(chainId));
  assert.equal(await reader.request({ method: "net_listening" }), true);
  assert.equal(await reader.request({ method: "eth_syncing" }), false);
  assert.deepEqual(await reader.request({ method: "eth_accounts" }), []);
  assert.equal(await reader.getBalance({ address: account.address }), 0n);
});

const supply = parseEther("1000000");
const deployment = await step("deploy", async () => {
  const hash = await wallet.deployContract({ abi, bytecode, args: ["Windlass", "WND", supply] });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  assert.ok(receipt.contractAddress);
  assert.ok((await reader.getCode({ address: receipt.contractAddress })).length > 1000);
  return receipt;
});
const contract = { address: deployment.contractAddress, abi };

await step("read", async () => {
  const read = (functionName, args) => reader.readContract({ ...contract, functionName, args });
  assert.equal(await read("name"), "Windlass");
  assert.equal(await read("symbol"), "WND");
  assert.equal(await read("decimals"), 18);
  assert.equal(await read("totalSupply"), supply);
  assert.equal(await read("balanceOf", [account.address]), supply);
  const slot = await reader.getStorageAt({ address: contract.address, slot: "0x2" });
  assert.equal(BigInt(slot), supply);
});

const transfer = await step("transfer", async () => {
  const args = [friend.address, 12_345n];
  const gas = await reader.estimateContractGas({ ...contract, account, functionName: "transfer", args });
  assert.ok(gas > 21_000n && gas < 100_000n, `the estimate is ${gas}`);
  const { request } = await reader.simulateContract({ ...contract, account, functionName: "transfer", args });
  const receipt = await reader.waitForTransactionReceipt({ hash: await wallet.writeContract(request) });
  assert.equal(receipt.status, "success");
  assert.ok(receipt.gasUsed <= gas);
  assert.equal(
    await reader.readContract({ ...contract, functionName: "balanceOf", args: [friend.address] }),
    12_345n,
  );
  return receipt;
});

await step("logs", async () => {
  const events = await reader.getContractEvents({
    ...contract,
    eventName: "Transfer",
    args: { to: friend.address },
    fromBlock: deployment.blockNumber,
  });
  assert.equal(events.length, 1);
  assert.equal(events[0].args.value, 12_345n);
  assert.equal(events[0].transactionHash, transfer.transactionHash);
  const none = await reader.getContractEvents({
    ...contract,
    eventName: "Approval",
    fromBlock: deployment.blockNumber,
  });
  assert.deepEqual(none, []);
  const inBlock = await reader.getLogs({ blockHash: transfer.blockHash });
  assert.ok(inBlock.some((log) => log.transactionHash === transfer.transactionHash));
});

await step("blocks, receipts and transactions", async () => {
  const byNumber = await reader.getBlock({ blockNumber: transfer.blockNumber, includeTransactions: true });
  const byHash = await reader.getBlock({ blockHash: transfer.blockHash, includeTransactions: true });
  assert.deepEqual(byNumber, byHash);
  assert.equal(byNumber.hash, transfer.blockHash);
  assert.ok(byNumber.transactions.some((tx) => tx.hash === transfer.transactionHash));
  const parent = await reader.getBlock({ blockHash: byNumber.parentHash });
  assert.equal(parent.number, byNumber.number - 1n);
  assert.ok(parent.timestamp <= byNumber.timestamp);
  const tag = await reader.getBlock({ blockTag: "finalized" });
  assert.ok(tag.number >= byNumber.number);
  const receipts = await reader.request({
    method: "eth_getBlockReceipts",
    params: [`0x${transfer.blockNumber.toString(16)}`],
  });
  assert.ok(receipts.some((receipt) => receipt.transactionHash === transfer.transactionHash));
  const transaction = await reader.getTransaction({ hash: transfer.transactionHash });
  assert.equal(transaction.from.toLowerCase(), account.address.toLowerCase());
  assert.equal(transaction.blockHash, transfer.blockHash);
  assert.equal(transaction.chainId, chainId);
  assert.equal(await reader.getTransactionCount({ address: account.address }), 2);
});

await step("fees", async () => {
  assert.ok((await reader.getGasPrice()) >= 0n);
  assert.ok((await reader.estimateMaxPriorityFeePerGas()) >= 0n);
  const history = await reader.getFeeHistory({ blockCount: 2, rewardPercentiles: [25, 75] });
  assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1);
  assert.equal(history.reward.length, history.gasUsedRatio.length);
});

await step("a custom error is decoded", async () => {
  await assert.rejects(
    reader.simulateContract({
      ...contract,
      account: friend,
      functionName: "transfer",
      args: [account.address, 99_999n],
    }),
    (error) => {
      const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
      assert.equal(revert.data.errorName, "ERC20InsufficientBalance");
      assert.deepEqual(revert.data.args, [friend.address, 12_345n, 99_999n]);
      return true;
    },
  );
});

await step("a custom error of an estimate is decoded", async () => {
  const estimate = reader.estimateContractGas({
    ...contract,
    account: friend,
    functionName: "transferFrom",
    args: [account.address, friend.address, 1n],
  });
  await assert.rejects(estimate, (error) => {
    const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    assert.equal(revert.data.errorName, "ERC20InsufficientAllowance");
    assert.deepEqual(revert.data.args, [friend.address, 0n, 1n]);
    return true;
  });
});

await step("a revert's text is decoded", async () => {
  await assert.rejects(
    reader.estimateContractGas({ ...contract, account, functionName: "distribute", args: [[], 1n] }),
    (error) => error.walk((cause) => cause instanceof BaseError && /no receivers/.test(cause.message)) !== null,
  );
});

await step("a transaction that reverts is in a block", async () => {
  const hash = await wallet.writeContract({
    ...contract,
    functionName: "distribute",
    args: [[], 1n],
    gas: 100_000n,
  });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "reverted");
  assert.deepEqual(receipt.logs, []);
});

await step("twenty transfers without waiting", async () => {
  let nonce = await reader.getTransactionCount({ address: account.address });
  const hashes = [];
  for (let i = 0; i < 20; i++) {
    const args = [friend.address, 1n];
    hashes.push(
      await wallet.writeContract({ ...contract, functionName: "transfer", args, nonce: nonce++, gas: 100_000n }),
    );
  }
  const receipts = await Promise.all(hashes.map((hash) => reader.waitForTransactionReceipt({ hash })));
  assert.ok(receipts.every((receipt) => receipt.status === "success"));
  assert.equal(
    await reader.readContract({ ...contract, functionName: "balanceOf", args: [friend.address] }),
    12_365n,
  );
});

await step("batches", async () => {
  const batching = createPublicClient({ chain, transport: http(endpoint, { batch: true, retryCount: 0 }) });
  const balances = await Promise.all(
    Array.from({ length: 30 }, () =>
      batching.readContract({ ...contract, functionName: "balanceOf", args: [friend.address] }),
    ),
  );
  assert.ok(balances.every((balance) => balance === 12_365n));
  const { body } = await post([
    { jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] },
    { jsonrpc: "2.0", id: 2, method: "eth_noSuchMethod", params: [] },
    { jsonrpc: "2.0", id: 3, method: "eth_blockNumber", params: [] },
  ]);
  const byId = new Map(body.map((answer) => [answer.id, answer]));
  assert.equal(BigInt(byId.get(1).result), BigInt(chainId));
  assert.equal(byId.get(2).error.code, -32601);
  assert.match(byId.get(3).result, /^0x/);
});

await step("refusals that viem understands", async () => {
  await assert.rejects(
    wallet.sendTransaction({ to: friend.address, nonce: 0, gas: 21_000n }),
    (error) => error.walk((cause) => cause instanceof NonceTooLowError) !== null,
  );
  await assert.rejects(
    wallet.sendTransaction({ to: friend.address, value: 1n, gas: 21_000n }),
    (error) => error.walk((cause) => cause instanceof InsufficientFundsError) !== null,
  );
});

await step("each type of transaction", async () => {
  const data = encodeFunctionData({ abi, functionName: "transfer", args: [friend.address, 1n] });
  const call = { account, to: contract.address, data };
  const { accessList, gasUsed } = await reader.createAccessList(call);
  assert.ok(gasUsed > 21_000n);
  assert.deepEqual(accessList.map((entry) => entry.address), [contract.address.toLowerCase()]);
  assert.equal(accessList[0].storageKeys.length, 2);
  for (const [type, fields] of [
    ["legacy", {}],
    ["eip2930", { accessList }],
    ["eip1559", { accessList }],
  ]) {
    const hash = await wallet.sendTransaction({ ...call, ...fields, type });
    const receipt = await reader.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    assert.equal(receipt.type, type);
    const found = await reader.getTransaction({ hash });
    assert.equal(found.type, type);
    assert.equal(found.chainId, chainId);
    assert.deepEqual(found.accessList, fields.accessList);
  }
});

await step("an account with a contract's code (EIP-7702)", async () => {
  const smart = privateKeyToAccount(generatePrivateKey());
  const data = encodeFunctionData({ abi, functionName: "transfer", args: [friend.address, 0n] });
  // Somebody else sends what the account has signed.
  const given = await wallet.signAuthorization({ account: smart, contractAddress: contract.address });
  const sent = await wallet.sendTransaction({ authorizationList: [given], to: smart.address, data });
  const receipt = await reader.waitForTransactionReceipt({ hash: sent });
  assert.equal(receipt.type, "eip7702");
  assert.deepEqual(receipt.logs.map((log) => log.address), [smart.address.toLowerCase()]);
  const { authorizationList } = await reader.getTransaction({ hash: sent });
  assert.deepEqual(
    authorizationList.map((one) => [getAddress(one.address), one.chainId, one.nonce, BigInt(one.s)]),
    [[getAddress(contract.address), chainId, 0, BigInt(given.s)]],
  );
  assert.equal(await reader.getDelegation({ address: smart.address }), getAddress(contract.address));
  const decimals = { address: smart.address, abi, functionName: "decimals" };
  assert.equal(await reader.readContract(decimals), 18);
  // The account takes it back itself.
  const itself = createWalletClient({ chain, transport, account: smart });
  const taken = await itself.signAuthorization({ contractAddress: zeroAddress, executor: "self" });
  const hash = await itself.sendTransaction({ authorizationList: [taken], to: smart.address });
  await reader.waitForTransactionReceipt({ hash });
  assert.equal(await reader.getCode({ address: smart.address }), undefined);
});

const stranger = privateKeyToAccount(generatePrivateKey());
/** Gives somebody a token and waits for it. */
async function give(to) {
  const args = [to.address, 1n];
  const hash = await wallet.writeContract({ ...contract, functionName: "transfer", args });
  return reader.waitForTransactionReceipt({ hash });
}

const socket = webSocket(socketEndpoint, { retryCount: 0 });
const listener = createPublicClient({ chain, transport: socket });

for (const [how, watcher] of [["over a WebSocket", listener], ["by polling", reader]]) {
  await step(`blocks ${how}`, async () => {
    await watched(
      (tell, onError) =>
        watcher.watchBlocks({ emitMissed: true, onBlock: (block) => tell(block.number), onError }),
      async () => (await give(friend)).blockNumber,
    );
  });

  await step(`events ${how}`, async () => {
    const filter = {
      address: contract.address,
      event: getAbiItem({ abi, name: "Transfer" }),
      args: { from: account.address, to: friend.address },
    };
    const tellAll = (tell) => (logs) => {
      for (const log of logs) {
        assert.equal(log.args.value, 1n);
        assert.equal(log.removed, false);
        tell(log.transactionHash);
      }
    };
    await watched(
      (tell, onError) => watcher.watchEvent({ ...filter, onLogs: tellAll(tell), onError }),
      async () => {
        await give(stranger);
        return (await give(friend)).transactionHash;
      },
    );
  });

  await step(`pending transactions ${how}`, async () => {
    await watched(
      (tell, onError) =>
        watcher.watchPendingTransactions({ onTransactions: (hashes) => hashes.forEach(tell), onError }),
      async () => (await give(friend)).transactionHash,
    );
  });
}

await step("an answer over a WebSocket", async () => {
  assert.equal(await listener.getChainId(), chainId);
  const connection = await listener.transport.getRpcClient();
  connection.close();
});

console.log("viem: all steps passed");
