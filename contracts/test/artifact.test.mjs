// What is committed is what the code compiles to, and what forge has tested.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { artifactFile, compile, folder, text } from "../compile.mjs";

const committed = readFileSync(artifactFile, "utf8");
const { abi, bytecode, deployedBytecode, storageLayout } = JSON.parse(committed);

test("governance/artifact.json is what the code compiles to: else run `npm run build`", () => {
  assert.equal(committed, text(compile("Governance")));
});

test("forge has tested the same code", () => {
  const file = join(folder, "build", "forge", "Governance.sol", "Governance.json");
  assert.equal(JSON.parse(readFileSync(file, "utf8")).bytecode.object, bytecode);
});

test("the constructor leaves the code as it is, wherever it lies", () => {
  assert.ok(bytecode.includes(deployedBytecode.slice(2)));
});

test("it is no longer than a contract may be (EIP-170)", () => {
  assert.ok((deployedBytecode.length - 2) / 2 <= 24_576);
});

test("what nodes read lies where they read it", () => {
  const place = ({ label, slot, offset }) => [label, Number(slot), offset];
  assert.deepEqual(storageLayout.storage.slice(0, 7).map(place), [
    ["validatorSetHash", 0, 0],
    ["revision", 1, 0],
    ["permissioned", 1, 8],
    ["permissionRecords", 2, 0],
    ["memberOf", 3, 0],
    ["parametersRecord", 4, 0],
    ["rulesRecord", 5, 0],
  ]);
});

test("nothing of it takes ether, or calls with the storage another's code", () => {
  assert.ok(abi.every(({ stateMutability }) => stateMutability !== "payable"));
  assert.ok(abi.every(({ type }) => type !== "receive" && type !== "fallback"));
  const forbidden = { CALLCODE: 0xf2, DELEGATECALL: 0xf4, CREATE: 0xf0, CREATE2: 0xf5, SELFDESTRUCT: 0xff };
  for (const [name, opcode] of Object.entries(forbidden)) {
    assert.ok(!opcodes(deployedBytecode).has(opcode), name);
  }
});

/** The operations of code, without the data that they push. */
function opcodes(code) {
  const bytes = Buffer.from(code.slice(2), "hex");
  const found = new Set();
  for (let i = 0; i < bytes.length; i++) {
    found.add(bytes[i]);
    if (bytes[i] >= 0x60 && bytes[i] <= 0x7f) i += bytes[i] - 0x5f;
  }
  return found;
}
