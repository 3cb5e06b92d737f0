// Compiles every contract of this folder to build/<name>.json: {abi, bytecode}, and the governance
// contract, which is part of each network's genesis, to governance/artifact.json, which is committed.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifact, artifactFile, compile, folder, text } from "./compile.mjs";

const contracts = compile();
mkdirSync(join(folder, "build"), { recursive: true });
for (const [name, contract] of Object.entries(contracts)) {
  const { abi, bytecode, deployedBytecode } = artifact(contract);
  writeFileSync(join(folder, "build", `${name}.json`), text({ abi, bytecode }));
  const size = (code) => (code.length - 2) / 2;
  console.log(`${name}: ${size(bytecode)} bytes, ${size(deployedBytecode)} of them stay`);
}
writeFileSync(artifactFile, text(artifact(contracts.Governance)));
