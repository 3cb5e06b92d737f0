// `make demo`: builds Windlass, starts a platform, creates a network of four validators, sends it
// 1,000 real transfers, and stays up until Ctrl-C. With DEMO_ONCE=1 it ends by itself. Whatever
// happens, nothing of it is left afterwards.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const windlass = join(root, "target/debug/windlass");
const terminal = process.stderr.isTTY;
const once = Boolean(process.env.DEMO_ONCE);

/** An error that tells what to do. */
class Failure extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

const say = (line = "") => process.stdout.write(`${line}\n`);

let interrupted = () => {};
const interruption = new Promise((resolve) => (interrupted = resolve));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => interrupted(signal));

/** Shows a step with the time that it takes, and fails with what it said. */
async function step(name, action) {
  const began = Date.now();
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  let note = "";
  const show = () => {
    const line = `  ${name} … ${note} ${seconds()}`.slice(0, process.stderr.columns ?? 80);
    process.stderr.write(`\r\x1b[2K${line}`);
  };
  const ticker = terminal ? setInterval(show, 200) : setInterval(() => say(`  ${name} … ${seconds()}`), 30_000);
  try {
    const result = await Promise.race([
      action((text) => (note = text)),
      interruption.then((signal) => {
        throw new Failure(`${name} was ended by ${signal}`, "run `make demo` again");
      }),
    ]);
    if (terminal) process.stderr.write("\r\x1b[2K");
    say(`  ${name.padEnd(44)} ${seconds().padStart(8)}`);
    return result;
  } finally {
    clearInterval(ticker);
    if (terminal) process.stderr.write("\r\x1b[2K");
  }
}

const children = new Set();

/** Runs a program in a process group of its own, so that Ctrl-C reaches the demo alone. */
function run(program, args, { cwd = root, note = () => {}, hint } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    children.add(child);
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8").on("data", (text) => {
        said[stream] += text;
        note(text.trim().split("\n").at(-1)?.trim() ?? "");
      });
    }
    const command = `${program.replace(`${root}/`, "")} ${args.join(" ")}`;
    child.on("error", (error) => reject(new Failure(`${command}: ${error.message}`, hint)));
    child.on("close", (code) => {
      children.delete(child);
      if (code === 0) return resolve(said.stdout);
      const end = (said.stderr || said.stdout).trim().split("\n").slice(-15).join("\n");
      reject(new Failure(`\`${command}\` failed:\n${end}`, hint));
    });
  });
}

const has = (program) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

async function prerequisites() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new Failure(`this is Node.js ${process.versions.node}`, "install Node.js 20 or newer");
  if (!has("cargo")) throw new Failure("cargo is not to be found", "install Rust 1.95 or newer");
  if (has("cc")) return;
  const hint = "install a C compiler: apt-get install gcc libc6-dev";
  const apt = process.getuid() === 0 ? ["apt-get"] : ["sudo", "-n", "apt-get"];
  await step("Install a C compiler", async () => {
    await run(apt[0], [...apt.slice(1), "update"], { hint });
    await run(apt[0], [...apt.slice(1), "install", "-y", "gcc", "libc6-dev"], { hint });
  });
}

/** Installs a folder's packages, if its lock has changed since, and builds it. */
async function npm(folder, build) {
  const cwd = join(root, folder);
  const installed = join(cwd, "node_modules/.package-lock.json");
  const lock = join(cwd, "package-lock.json");
  const fresh = existsSync(installed) && statSync(installed).mtimeMs > statSync(lock).mtimeMs;
  await step(`Packages and build of ${folder}`, async (note) => {
    const options = { cwd, note, hint: "see whether npm can reach its registry, then try again" };
    if (!fresh) await run("npm", ["ci", "--no-audit", "--no-fund"], options);
    if (build) await run("npm", ["run", "--silent", "build"], { ...options, hint: undefined });
  });
}

async function build() {
  await prerequisites();
  if (existsSync(join(root, "console/package.json"))) await npm("console", true);
  await npm("contracts", true);
  await npm("scripts/demo", false);
  await step("Build (the first time takes minutes)", (note) =>
    run("cargo", ["build", "--workspace"], { note, hint: "see the compiler's message above" }),
  );
}

/** The platform, in a directory and on ports of its own. */
class Platform {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "windlass-demo-"));
    this.dataDir = join(this.folder, "data");
  }

  async start() {
    const child = spawn(windlass, ["up", "--json", "--data-dir", this.dataDir, "--listen", "127.0.0.1:0"], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-20_000)));
    const ended = new Promise((_, reject) =>
      child.on("close", (code) => reject(new Failure(`the platform ended with ${code}:\n${log.slice(-2000)}`))),
    );
    ended.catch(() => {});
    const ready = new Promise((resolve) => {
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (more) => {
        text += more;
        try {
          resolve(JSON.parse(text));
        } catch {
          // Not whole yet.
        }
      });
    });
    return Promise.race([ready, ended]);
  }

  async cli(...args) {
    const text = await run(windlass, [...args, "--json", "--data-dir", this.dataDir]);
    return JSON.parse(text);
  }

  /** Ends what is left and removes the directory; for when the orderly way has failed too. */
  async leaveNothing() {
    for (const pid of this.processes()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    const deadline = Date.now() + 5_000;
    while (this.processes().length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Every process that was started with our directory, which nobody else's has in its name. */
  processes() {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((name) => {
        try {
          return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(this.folder);
        } catch {
          return false;
        }
      })
      .map(Number);
  }
}

function showEvidence({ network, operation }) {
  const evidence = operation.evidence;
  say();
  say(`  chain id           ${evidence.chain_id}`);
  say(`  genesis            ${evidence.genesis_hash}`);
  for (const node of evidence.nodes) {
    say(`  ${node.node.padEnd(18)} block ${node.first_block.number} ${node.first_block.hash}`);
  }
  say(`  test transaction   ${evidence.test_transaction}`);
  say(`  endpoint           ${network.endpoint}`);
  say();
}

function showReceipt(receipt) {
  const kinds = new Map();
  for (const { kind } of receipt.released) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const sum = [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ");
  say();
  say(`Released: ${sum}. Each was verified gone:`);
  for (const line of receipt.released) {
    say(`  ${line.kind.padEnd(10)} ${line.owner.padEnd(14)} ${line.name} (${line.verified})`);
  }
  const took = receipt.completed_at_ms - receipt.requested_at_ms;
  say(`Release receipt of ${receipt.name}, after ${took} ms.`);
}

async function show(platform) {
  say("Windlass demo");
  await build();
  const started = await step("Start the platform", () => platform.start());
  const created = await step("Create a network of four validators", () =>
    platform.cli("network", "create", "demo", "--validators", "4"),
  );
  platform.created = true;
  showEvidence(created);
  const { load } = await import("./load.mjs");
  const figures = await step("Deploy an ERC-20, send 1,000 transfers", (note) =>
    load(created.network.endpoint, {
      accounts: 20,
      transfers: 1000,
      progress: (count) => note(`${count} of 1000`),
    }),
  );
  say();
  say(`  ${figures.transfers} transfers from 20 accounts are final, in ${figures.blocks} blocks`);
  say(`  ${figures.perSecond.toFixed(0)} finalised transactions a second`);
  say(`  finality as the client saw it: p50 ${figures.p50.toFixed(0)} ms, p99 ${figures.p99.toFixed(0)} ms`);
  say();
  say(`  Console: ${started.login_url ?? started.url}`);
  say("           (the link works once)");
  if (!once) {
    say(`  Command line: target/debug/windlass --data-dir ${platform.dataDir} network ls`);
    say("  Stop with Ctrl-C: the network is dismantled and its release receipt printed.");
    await interruption;
  }
}

async function dismantle(platform) {
  if (platform.created) {
    const { operation } = await platform.cli("network", "destroy", "demo", "-y");
    showReceipt(operation.receipt);
  }
  if (platform.child && platform.child.exitCode === null) await platform.cli("down");
}

const platform = new Platform();
let failure;
try {
  await show(platform);
} catch (error) {
  failure = error;
}
for (const child of children) {
  // What a failed or interrupted step has left running.
  try {
    process.kill(-child.pid, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}
try {
  await dismantle(platform);
} catch (error) {
  failure ??= error;
}
await platform.leaveNothing();
if (failure) {
  process.stderr.write(`\nThe demo failed: ${failure.message}\n`);
  if (failure.hint) process.stderr.write(`What to do: ${failure.hint}\n`);
  process.stderr.write("Nothing of it is left.\n");
  process.exitCode = 1;
}
