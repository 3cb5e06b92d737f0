// Compiles every contract of this folder to build/<name>.json: {abi, bytecode}, and the governance
// contract, which is part of each network's genesis, to governance/artifact.json: it is committed.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifactFile, compile, folder, names, text } from "./compile.mjs";

mkdirSync(join(folder, "build"), { recursive: true });
for (const name of names) {
  const artifact = compile(name);
  const { abi, bytecode, deployedBytecode } = artifact;
  if (name === "Governance") writeFileSync(artifactFile, text(artifact));
  writeFileSync(join(folder, "build", `${name}.json`), text({ abi, bytecode }));
  const size = (code) => (code.length - 2) / 2;
  console.log(`${name}: ${size(bytecode)} bytes, ${size(deployedBytecode)} of them stay`);
}
