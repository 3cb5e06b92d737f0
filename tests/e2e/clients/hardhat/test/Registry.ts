import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { network } from "hardhat";

const { viem } = await network.create();
const publicClient = await viem.getPublicClient();
const [owner, member] = await viem.getWalletClients();

describe("Registry", () => {
  it("belongs to whoever deployed it", async () => {
    const registry = await viem.deployContract("Registry");
    assert.equal((await registry.read.owner()).toLowerCase(), owner.account.address);
    assert.equal(await registry.read.count(), 0n);
  });

  it("tells of each name", async () => {
    const registry = await viem.deployContract("Registry");
    const asMember = await viem.getContractAt("Registry", registry.address, {
      client: { wallet: member },
    });
    await viem.assertions.emitWithArgs(registry.write.register(["one"]), registry, "Registered", [
      "one",
      owner.account.address,
      1n,
    ]);
    const hash = await asMember.write.register(["two"]);
    const receipt = await publicClient.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    const events = await publicClient.getContractEvents({
      address: registry.address,
      abi: registry.abi,
      eventName: "Registered",
      fromBlock: 0n,
    });
    assert.deepEqual(events.map((event) => event.args.name), ["one", "two"]);
    assert.equal(await registry.read.count(), 2n);
  });

  it("gives a name to one holder only", async () => {
    const registry = await viem.deployContract("Registry");
    const hash = await registry.write.register(["one"]);
    await publicClient.waitForTransactionReceipt({ hash });
    await viem.assertions.revertWithCustomErrorWithArgs(
      registry.write.register(["one"], { account: member.account }),
      registry,
      "Taken",
      ["one", owner.account.address],
    );
  });

  it("is closed by its owner", async () => {
    const registry = await viem.deployContract("Registry");
    await viem.assertions.revertWithCustomError(
      registry.write.close({ account: member.account }),
      registry,
      "NotTheOwner",
    );
    await viem.assertions.emit(registry.write.close(), registry, "Closed");
    await viem.assertions.revertWith(
      registry.write.register(["one"]),
      "the registry is closed",
    );
  });

  it("is deployed again without waiting", async () => {
    const { contract, deploymentTransaction } = await viem.sendDeploymentTransaction("Registry");
    const hash = deploymentTransaction.hash;
    const receipt = await publicClient.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    assert.equal(await contract.read.closed(), false);
  });
});
