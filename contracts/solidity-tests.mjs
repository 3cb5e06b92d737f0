// Runs forge's tests over the code as it is deployed. Their settings are in foundry.toml.
import { spawnSync } from "node:child_process";
import { folder } from "./compile.mjs";
import { forge } from "./forge.mjs";

const run = spawnSync(forge, ["test", ...process.argv.slice(2)], { cwd: folder, stdio: "inherit" });
process.exit(run.status ?? 1);
