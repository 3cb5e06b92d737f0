// Compiles a contract of this folder; what is shared by the build and its checks.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

export const folder = dirname(fileURLToPath(import.meta.url));

/**
 * Without the metadata's hash, so that the bytes depend on nothing but the code. `runs` weighs the
 * gas of calls against the length of the code: governance is near the limit, and seldom called.
 */
export const settings = (name) => ({
  evmVersion: "osaka",
  optimizer: { enabled: true, runs: name === "Governance" ? 1 : 200 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
});

const solidity = (under) =>
  readdirSync(join(folder, under))
    .filter((file) => file.endsWith(".sol"))
    .map((file) => join(under, file));

/** The names of the contracts that networks have: those at the top of this folder. */
export const names = solidity(".").map((file) => file.replace(".sol", ""));

/** What is told of a contract: its artifact, as it is written to a file. */
export function compile(name) {
  const imported = name === "Governance" ? solidity("governance") : [];
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(
      [`${name}.sol`, ...imported].map((file) => [
        file,
        { content: readFileSync(join(folder, file), "utf8") },
      ]),
    ),
    settings: {
      ...settings(name),
      outputSelection: {
        "*": {
          "*": ["abi", "storageLayout", "evm.bytecode.object", "evm.deployedBytecode.object"],
        },
      },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const problems = output.errors ?? [];
  for (const problem of problems) console.error(problem.formattedMessage);
  if (problems.length > 0) process.exit(1);
  const { abi, evm, storageLayout } = output.contracts[`${name}.sol`][name];
  return {
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
    storageLayout: readable(storageLayout),
    compiler: { version: solc.version(), settings: settings(name) },
  };
}

/** The names of types hold numbers of the compiler's, which differ with the files around. */
function readable(layout) {
  return JSON.parse(JSON.stringify(layout, (key, value) => (key === "astId" ? undefined : value))
    .replaceAll(/(t_(?:struct|enum|contract)\(\w+\))\d+/g, "$1"));
}

export const artifactFile = join(folder, "governance", "artifact.json");
export const text = (json) => `${JSON.stringify(json, null, 2)}\n`;
