// Compiles the contracts of this folder; what is shared by the build and its checks.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

export const folder = dirname(fileURLToPath(import.meta.url));

/** Without the metadata's hash, so that the bytes depend on nothing but the code. */
export const settings = {
  evmVersion: "osaka",
  optimizer: { enabled: true, runs: 1 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

const solidity = (under) =>
  readdirSync(join(folder, under))
    .filter((file) => file.endsWith(".sol"))
    .map((file) => join(under, file));

/** The contracts, by name: what `evm` and `abi` solc has of those at the top of this folder. */
export function compile() {
  const tops = solidity(".");
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(
      [...tops, ...solidity("governance")].map((file) => [
        file,
        { content: readFileSync(join(folder, file), "utf8") },
      ]),
    ),
    settings: {
      ...settings,
      outputSelection: {
        "*": { "*": ["abi", "storageLayout", "evm.bytecode.object", "evm.deployedBytecode.object"] },
      },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const problems = output.errors ?? [];
  for (const problem of problems) console.error(problem.formattedMessage);
  if (problems.length > 0) process.exit(1);
  return Object.assign({}, ...tops.map((file) => output.contracts[file]));
}

/** What the chain embeds of the governance contract. */
export function artifact({ abi, evm, storageLayout }) {
  return {
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
    storageLayout: readable(storageLayout),
    compiler: { version: solc.version(), settings },
  };
}

/** The names of types hold numbers of the compiler's, which differ with the files around. */
function readable(layout) {
  return JSON.parse(JSON.stringify(layout, (key, value) => (key === "astId" ? undefined : value))
    .replaceAll(/(t_(?:struct|enum|contract)\(\w+\))\d+/g, "$1"));
}

export const artifactFile = join(folder, "governance", "artifact.json");
export const text = (json) => `${JSON.stringify(json, null, 2)}\n`;
