// OpenZeppelin's contracts on a network, as their users combine them: openzeppelin/Contracts.sol.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getAddress,
  http,
  keccak256,
  parseEventLogs,
  parseSignature,
  slice,
  stringToHex,
  zeroAddress,
  zeroHash,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { endpoint, step } from "./common.mjs";

// The compiler is that of this repository's own contracts.
const solc = createRequire(new URL("../../../contracts/compile.mjs", import.meta.url))("solc");

const transport = http(endpoint, { retryCount: 0 });
const chain = defineChain({
  id: await createPublicClient({ transport }).getChainId(),
  name: "windlass",
  nativeCurrency: { name: "none", symbol: "NONE", decimals: 18 },
  rpcUrls: { default: { http: [endpoint] } },
});
const reader = createPublicClient({ chain, transport, pollingInterval: 20 });
const wallet = createWalletClient({ chain, transport });
const account = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey());
const stranger = privateKeyToAccount(generatePrivateKey());

const artifacts = await step("compile", () => {
  const text = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
  const input = {
    language: "Solidity",
    sources: { "Contracts.sol": { content: text("openzeppelin/Contracts.sol") } },
    settings: {
      evmVersion: "osaka",
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "Contracts.sol": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const found = (path) => ({ contents: text(`node_modules/${path}`) });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }));
  const errors = (output.errors ?? []).filter((one) => one.severity === "error");
  assert.deepEqual(errors.map((one) => one.formattedMessage), []);
  return output.contracts["Contracts.sol"];
});

/** Waits for a transaction that must succeed. */
async function mined(hash) {
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  return receipt;
}

async function deploy(name, ...args) {
  const { abi, evm } = artifacts[name];
  const bytecode = `0x${evm.bytecode.object}`;
  const receipt = await mined(await wallet.deployContract({ account, abi, bytecode, args }));
  return { address: getAddress(receipt.contractAddress), abi };
}

const read = (contract, functionName, ...args) =>
  reader.readContract({ ...contract, functionName, args });

const send = async (from, contract, functionName, ...args) =>
  mined(await wallet.writeContract({ account: from, ...contract, functionName, args }));

/** Asserts that a call is refused with a custom error. */
async function refused(from, contract, [functionName, ...args], [errorName, ...errorArgs]) {
  const call = reader.simulateContract({ account: from, ...contract, functionName, args });
  await assert.rejects(call, (error) => {
    const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    assert.equal(revert?.data?.errorName, errorName, error.message);
    assert.deepEqual(revert.data.args ?? [], errorArgs);
    return true;
  });
}

/** Makes blocks, of which there are none by themselves, until one is later than that. */
async function after(seconds) {
  for (;;) {
    const { blockNumber } = await mined(await wallet.sendTransaction({ account, to: account.address }));
    if ((await reader.getBlock({ blockNumber })).timestamp > seconds) return;
  }
}

const supply = 1_000n;
const shares = await step("ERC20", async () => {
  const shares = await deploy("Shares", supply);
  await send(account, shares, "transfer", friend.address, 400n);
  await send(friend, shares, "approve", account.address, 10n);
  await send(account, shares, "transferFrom", friend.address, stranger.address, 10n);
  const holders = [account, friend, stranger];
  const balances = await Promise.all(holders.map((one) => read(shares, "balanceOf", one.address)));
  assert.deepEqual(balances, [600n, 390n, 10n]);
  const tooMuch = ["transfer", friend.address, 11n];
  await refused(stranger, shares, tooMuch, ["ERC20InsufficientBalance", stranger.address, 10n, 11n]);
  return shares;
});

await step("ERC20Permit", async () => {
  const [, name, version, chainId, verifyingContract] = await read(shares, "eip712Domain");
  assert.equal(chainId, BigInt(chain.id));
  const permit = {
    owner: account.address,
    spender: stranger.address,
    value: 5n,
    nonce: await read(shares, "nonces", account.address),
    deadline: 2n ** 64n,
  };
  const field = (type) => (name) => ({ name, type });
  const signature = await account.signTypedData({
    domain: { name, version, chainId, verifyingContract },
    types: {
      Permit: [
        ...["owner", "spender"].map(field("address")),
        ...["value", "nonce", "deadline"].map(field("uint256")),
      ],
    },
    primaryType: "Permit",
    message: permit,
  });
  const { r, s, yParity } = parseSignature(signature);
  const args = [permit.owner, permit.spender, permit.value, permit.deadline, yParity + 27, r, s];
  await send(stranger, shares, "permit", ...args);
  assert.equal(await read(shares, "allowance", account.address, stranger.address), 5n);
  await send(stranger, shares, "transferFrom", account.address, stranger.address, 5n);
  await assert.rejects(
    reader.simulateContract({ account: stranger, ...shares, functionName: "permit", args }),
    /ERC2612InvalidSigner/,
  );
});

await step("ERC721 and AccessControl", async () => {
  const deeds = await deploy("Deeds");
  const registrar = await read(deeds, "REGISTRAR");
  const issue = ["issue", stranger.address, 7n];
  await refused(friend, deeds, issue, ["AccessControlUnauthorizedAccount", friend.address, registrar]);
  await send(account, deeds, "grantRole", registrar, friend.address);
  assert.equal(await read(deeds, "hasRole", registrar, friend.address), true);
  const { logs } = await send(friend, deeds, ...issue);
  const [issued] = parseEventLogs({ abi: deeds.abi, eventName: "Transfer", logs });
  assert.deepEqual(issued.args, { from: zeroAddress, to: stranger.address, tokenId: 7n });
  await send(stranger, deeds, "transferFrom", stranger.address, account.address, 7n);
  assert.equal(await read(deeds, "ownerOf", 7n), account.address);
  assert.equal(await read(deeds, "supportsInterface", "0x80ac58cd"), true);
  await refused(friend, deeds, issue, ["ERC721InvalidSender", zeroAddress]);
  await send(friend, deeds, "renounceRole", registrar, friend.address);
  assert.equal(await read(deeds, "hasRole", registrar, friend.address), false);
});

const setting = await step("Ownable2Step", async () => {
  const setting = await deploy("Setting");
  await send(account, setting, "transferOwnership", friend.address);
  assert.equal(await read(setting, "owner"), account.address);
  assert.equal(await read(setting, "pendingOwner"), friend.address);
  const accept = ["acceptOwnership"];
  await refused(stranger, setting, accept, ["OwnableUnauthorizedAccount", stranger.address]);
  await send(friend, setting, "acceptOwnership");
  assert.equal(await read(setting, "owner"), friend.address);
  await refused(account, setting, ["set", 1n], ["OwnableUnauthorizedAccount", account.address]);
  await send(friend, setting, "set", 1n);
  return setting;
});

const [assembly, timelock] = await step("Governor and TimelockController are set up", async () => {
  const timelock = await deploy("Timelock", 1n, account.address);
  const assembly = await deploy("Assembly", shares.address, timelock.address, 2);
  for (const role of ["PROPOSER_ROLE", "CANCELLER_ROLE"]) {
    await send(account, timelock, "grantRole", await read(timelock, role), assembly.address);
  }
  await send(account, timelock, "renounceRole", zeroHash, account.address);
  await send(friend, setting, "transferOwnership", timelock.address);
  for (const voter of [account, friend]) await send(voter, shares, "delegate", voter.address);
  assert.equal(await read(shares, "getVotes", account.address), 595n);
  assert.equal(await read(assembly, "CLOCK_MODE"), "mode=timestamp");
  return [assembly, timelock];
});

await step("a proposal is voted on, queued and carried out", async () => {
  const data = (functionName, ...args) =>
    encodeFunctionData({ abi: setting.abi, functionName, args });
  const actions = [
    [setting.address, setting.address],
    [0n, 0n],
    [data("acceptOwnership"), data("set", 42n)],
  ];
  const description = "the assembly sets the value";
  const decided = [...actions, keccak256(stringToHex(description))];
  const { logs } = await send(friend, assembly, "propose", ...actions, description);
  const [{ args }] = parseEventLogs({ abi: assembly.abi, eventName: "ProposalCreated", logs });
  const id = args.proposalId;
  assert.equal(id, await read(assembly, "hashProposal", ...decided));
  const state = () => read(assembly, "state", id);

  await after(args.voteStart);
  assert.equal(await state(), 1);
  await send(account, assembly, "castVote", id, 1);
  await send(friend, assembly, "castVoteWithReason", id, 0, "it is too much");
  assert.deepEqual(await read(assembly, "proposalVotes", id), [390n, 595n, 0n]);
  const again = ["castVote", id, 1];
  await refused(account, assembly, again, ["GovernorAlreadyCastVote", account.address]);

  await after(args.voteEnd);
  assert.equal(await state(), 4);
  await send(stranger, assembly, "queue", ...decided);
  assert.equal(await state(), 5);
  await after((await read(assembly, "proposalEta", id)) - 1n);
  await send(stranger, assembly, "execute", ...decided);
  assert.equal(await state(), 7);
  assert.equal(await read(setting, "value"), 42n);
  assert.equal(await read(setting, "owner"), timelock.address);
});

await step("a proxy's implementation is replaced (UUPS)", async () => {
  const [first, second] = [await deploy("BoxV1"), await deploy("BoxV2")];
  const initialize = { abi: first.abi, functionName: "initialize", args: [41n] };
  const { address } = await deploy("Proxy", first.address, encodeFunctionData(initialize));
  // keccak256("eip1967.proxy.implementation") - 1
  const slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
  const implementation = async () =>
    getAddress(slice(await reader.getStorageAt({ address, slot }), 12));
  const [before, now] = [{ address, abi: first.abi }, { address, abi: second.abi }];
  assert.equal(await implementation(), first.address);
  assert.equal(await read(before, "version"), 1n);
  assert.equal(await read(before, "owner"), account.address);
  await refused(account, before, ["initialize", 1n], ["InvalidInitialization"]);
  const upgrade = ["upgradeToAndCall", second.address];
  const increment = encodeFunctionData({ abi: second.abi, functionName: "increment" });
  await refused(friend, before, [...upgrade, "0x"], ["NotTheOwner", friend.address]);
  await send(account, before, ...upgrade, increment);
  assert.equal(await implementation(), second.address);
  assert.equal(await read(now, "version"), 2n);
  assert.equal(await read(now, "value"), 42n);
});

for (const [guard, door] of [
  ["ReentrancyGuard", "Door"],
  ["ReentrancyGuardTransient", "TransientDoor"],
]) {
  await step(guard, async () => {
    const [entrance, visitor] = [await deploy(door), await deploy("Visitor")];
    const errors = artifacts[door].abi.filter((one) => one.type === "error");
    const visiting = { ...visitor, abi: [...visitor.abi, ...errors] };
    await send(account, visiting, "visit", entrance.address, false);
    const greedy = ["visit", entrance.address, true];
    await refused(account, visiting, greedy, ["ReentrancyGuardReentrantCall"]);
    await send(account, visiting, "visit", entrance.address, false);
    assert.equal(await read(entrance, "entered"), 2n);
  });
}

console.log("openzeppelin: all steps passed");
