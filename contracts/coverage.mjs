// Runs the tests over code that forge compiled for it, and fails unless they reach every line,
// function and branch of the governance contract.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./compile.mjs";
import { forge } from "./forge.mjs";

const report = join(folder, "build", "coverage.lcov");
const run = spawnSync(
  forge,
  ["coverage", "--report", "lcov", "--report-file", report, "--no-match-coverage", "^(test|Token)"],
  { cwd: folder, encoding: "utf8", env: { ...process.env, FOUNDRY_FUZZ_RUNS: "16" } },
);
if (run.status !== 0) {
  process.stderr.write(run.stdout + run.stderr);
  process.exit(1);
}

const totals = { lines: [0, 0], functions: [0, 0], branches: [0, 0] };
const missed = [];
let file;
for (const line of readFileSync(report, "utf8").split("\n")) {
  const [kind, rest] = line.split(/:(.*)/);
  const last = (rest ?? "").split(",").at(-1);
  const count = (what, name) => {
    totals[what][1] += 1;
    if (last !== "0" && last !== "-") totals[what][0] += 1;
    else missed.push(`${file}: ${name} ${rest}`);
  };
  if (kind === "SF") file = rest;
  if (kind === "DA") count("lines", "line");
  if (kind === "FNDA") count("functions", "function");
  if (kind === "BRDA") count("branches", "branch");
}
for (const [what, [reached, all]] of Object.entries(totals)) {
  console.log(`${what}: ${reached} of ${all}`);
}
for (const each of missed) console.log(`missed ${each}`);
if (Object.values(totals).some(([reached, all]) => all === 0 || reached < all)) process.exit(1);
