// ethers against a network, with its endpoint and no other setting, from an account without balance.
import assert from "node:assert/strict";
import {
  ContractFactory,
  JsonRpcProvider,
  NonceManager,
  Wallet,
  WebSocketProvider,
  ZeroAddress,
  ZeroHash,
  concat,
  isCallException,
  isError,
} from "ethers";
import { endpoint, socketEndpoint, step, token, watched } from "./common.mjs";

const provider = new JsonRpcProvider(endpoint, undefined, { pollingInterval: 50 });
const wallet = Wallet.createRandom().connect(provider);
// ethers keeps an account's nonce for 250 ms; finality is faster, so the signer counts by itself.
const signer = new NonceManager(wallet);
const friend = Wallet.createRandom().connect(provider);
const supply = 10n ** 24n;

await step("network", async () => {
  const network = await provider.getNetwork();
  assert.ok(network.chainId > 0n);
  assert.equal(await provider.getBalance(wallet.address), 0n);
  const fees = await provider.getFeeData();
  assert.ok(fees.gasPrice !== null);
});

const contract = await step("deploy", async () => {
  const factory = new ContractFactory(token.abi, token.bytecode, signer);
  const deployed = await factory.deploy("Windlass", "WND", supply);
  await deployed.waitForDeployment();
  assert.notEqual(await provider.getCode(await deployed.getAddress()), "0x");
  return deployed;
});

await step("read", async () => {
  assert.equal(await contract.name(), "Windlass");
  assert.equal(await contract.totalSupply(), supply);
  assert.equal(await contract.balanceOf(wallet.address), supply);
});

const receipt = await step("transfer", async () => {
  const gas = await contract.transfer.estimateGas(friend.address, 777n);
  assert.ok(gas > 21_000n && gas < 100_000n, `the estimate is ${gas}`);
  const sent = await contract.transfer(friend.address, 777n);
  const mined = await sent.wait();
  assert.equal(mined.status, 1);
  assert.equal(mined.hash, sent.hash);
  assert.equal(await contract.balanceOf(friend.address), 777n);
  const found = await provider.getTransaction(sent.hash);
  assert.equal(found.blockNumber, mined.blockNumber);
  return mined;
});

await step("logs", async () => {
  const events = await contract.queryFilter(contract.filters.Transfer(wallet.address, friend.address), 0);
  assert.equal(events.length, 1);
  assert.equal(events[0].args.value, 777n);
  const parsed = receipt.logs.map((log) => contract.interface.parseLog(log));
  assert.deepEqual(parsed.map((log) => log.name), ["Transfer"]);
});

await step("blocks", async () => {
  const block = await provider.getBlock(receipt.blockNumber, true);
  assert.equal(block.hash, receipt.blockHash);
  assert.ok(block.prefetchedTransactions.some((tx) => tx.hash === receipt.hash));
  assert.equal((await provider.getBlock(block.hash)).number, block.number);
  // Asked directly: ethers keeps its own answer for 250 ms.
  assert.ok(BigInt(await provider.send("eth_blockNumber", [])) >= BigInt(receipt.blockNumber));
});

await step("a custom error is decoded", async () => {
  await assert.rejects(contract.connect(friend).transfer.staticCall(wallet.address, 1_000n), (error) => {
    assert.ok(isCallException(error));
    assert.equal(error.revert.name, "ERC20InsufficientBalance");
    assert.deepEqual([...error.revert.args], [friend.address, 777n, 1_000n]);
    return true;
  });
});

await step("a custom error of an estimate is decoded", async () => {
  const estimate = contract.connect(friend).transferFrom.estimateGas(wallet.address, friend.address, 1n);
  await assert.rejects(estimate, (error) => {
    assert.ok(isCallException(error));
    const decoded = contract.interface.parseError(error.data);
    assert.equal(decoded.name, "ERC20InsufficientAllowance");
    assert.deepEqual([...decoded.args], [friend.address, 0n, 1n]);
    return true;
  });
});

await step("a revert's text is decoded", async () => {
  await assert.rejects(contract.distribute.estimateGas([], 1n), (error) => {
    assert.ok(isCallException(error));
    assert.equal(error.reason, "no receivers");
    return true;
  });
});

await step("a transaction that reverts says so", async () => {
  const sent = await contract.distribute([], 1n, { gasLimit: 100_000n });
  await assert.rejects(sent.wait(), (error) => isCallException(error) && error.receipt.status === 0);
});

await step("many at once", async () => {
  const accounts = Array.from({ length: 10 }, () => Wallet.createRandom().connect(provider));
  const given = await contract.distribute(accounts.map((one) => one.address), 5n);
  assert.equal((await given.wait()).logs.length, 10);
  const all = await Promise.all(
    accounts.map(async (one) => (await contract.connect(one).transfer(friend.address, 5n)).wait()),
  );
  assert.ok(all.every((one) => one.status === 1));
  assert.equal(await contract.balanceOf(friend.address), 827n);
});

await step("refusals that ethers understands", async () => {
  await assert.rejects(wallet.sendTransaction({ to: friend.address, nonce: 0, gasLimit: 21_000n }), (error) =>
    isError(error, "NONCE_EXPIRED"),
  );
  await assert.rejects(wallet.sendTransaction({ to: friend.address, value: 1n, gasLimit: 21_000n }), (error) =>
    isError(error, "INSUFFICIENT_FUNDS"),
  );
});

await step("each type of transaction", async () => {
  const accessList = [{ address: await contract.getAddress(), storageKeys: [ZeroHash] }];
  for (const [type, fields] of [
    [0, {}],
    [1, { accessList }],
    [2, { accessList }],
  ]) {
    const sent = await signer.sendTransaction({ ...fields, type, to: friend.address });
    const mined = await sent.wait();
    assert.equal(mined.status, 1);
    assert.equal(mined.type, type);
    const found = await provider.getTransaction(sent.hash);
    assert.equal(found.type, type);
    assert.equal(found.chainId, sent.chainId);
    assert.deepEqual(found.accessList, fields.accessList ?? null);
  }
});

await step("an account with a contract's code (EIP-7702)", async () => {
  const smart = Wallet.createRandom().connect(provider);
  const address = await contract.getAddress();
  // Somebody else sends what the account has signed.
  const given = await smart.authorize({ address });
  const sent = await signer.sendTransaction({
    type: 4,
    to: smart.address,
    data: contract.interface.encodeFunctionData("transfer", [friend.address, 0n]),
    authorizationList: [given],
  });
  const mined = await sent.wait();
  assert.equal(mined.type, 4);
  assert.deepEqual(mined.logs.map((log) => log.address), [smart.address]);
  const found = await provider.getTransaction(sent.hash);
  assert.deepEqual(found.authorizationList.map((one) => [one.address, one.nonce]), [[address, 0n]]);
  assert.equal(await provider.getCode(smart.address), concat(["0xef0100", address]));
  assert.equal(await contract.attach(smart.address).decimals(), 18n);
  // The account takes it back itself; its nonce is one higher when the authorization is looked at.
  const taken = await smart.authorize({ address: ZeroAddress, nonce: 2 });
  const itself = { type: 4, nonce: 1, to: smart.address };
  const back = await smart.sendTransaction({ ...itself, authorizationList: [taken] });
  assert.equal((await back.wait()).status, 1);
  // Asked directly: ethers keeps the code that it was told above for 250 ms.
  assert.equal(await provider.send("eth_getCode", [smart.address, "latest"]), "0x");
});

const stranger = Wallet.createRandom();
/** Gives somebody a token and waits for it. */
const give = async (to) => (await contract.transfer(to.address, 1n)).wait();

const socket = new WebSocketProvider(socketEndpoint);
// Without the answers that ethers keeps, so that it begins with what is.
const fresh = { pollingInterval: 50, cacheTimeout: -1 };
const filters = new JsonRpcProvider(endpoint, undefined, fresh);
const logs = new JsonRpcProvider(endpoint, undefined, { ...fresh, polling: true });

for (const [how, source] of [["over a WebSocket", socket], ["by polling filters", filters]]) {
  await step(`blocks ${how}`, async () => {
    await watched(
      async (tell) => {
        await source.on("block", tell);
        return () => source.off("block", tell);
      },
      async () => (await give(friend)).blockNumber,
    );
  });

  await step(`pending transactions ${how}`, async () => {
    await watched(
      async (tell) => {
        await source.on("pending", tell);
        return () => source.off("pending", tell);
      },
      async () => (await give(friend)).hash,
    );
  });
}

for (const [how, source] of [
  ["over a WebSocket", socket],
  ["by polling filters", filters],
  ["by polling logs", logs],
]) {
  await step(`events ${how}`, async () => {
    const there = contract.connect(source);
    const filter = there.filters.Transfer(wallet.address, friend.address);
    await watched(
      async (tell) => {
        await there.on(filter, ({ log, args }) => {
          assert.equal(args.value, 1n);
          tell(log.transactionHash);
        });
        return () => there.off(filter);
      },
      async () => {
        await give(stranger);
        return (await give(friend)).hash;
      },
    );
  });
}

await step("answers over a WebSocket", async () => {
  const there = contract.connect(socket);
  assert.equal(await there.symbol(), "WND");
  await assert.rejects(there.distribute.staticCall([], 1n), (error) => error.reason === "no receivers");
  await socket.destroy();
});

provider.destroy();
console.log("ethers: all steps passed");
