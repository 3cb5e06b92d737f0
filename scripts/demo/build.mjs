// Builds what the demo runs, and only what has changed since it was built last.
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Failure, root, run, start, step } from "./steps.mjs";

/** The oldest Node.js that what builds the console runs on. */
const NODE = [20, 19];

/** Builds everything and gives the program; `ready` is a program that is built already. */
export async function build(ready) {
  await prerequisites();
  const release = await alone();
  try {
    if (!ready) await npm("console", "dist/index.html", ["openapi.json"]);
    await npm("contracts", "build/Token.json");
    await npm("scripts/demo");
    if (ready) return ready;
    await step("Build (the first time takes minutes)", (note) => {
      const hint = "cargo says above what is wrong; it needs a way to crates.io the first time";
      return run("cargo", ["build", "--workspace"], { note, hint });
    });
    return join(root, "target/debug/windlass");
  } finally {
    release();
  }
}

const has = (program) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

async function prerequisites() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < NODE[0] || (major === NODE[0] && minor < NODE[1])) {
    throw new Failure(`this is Node.js ${process.versions.node}`, `install Node.js ${NODE.join(".")} or newer`);
  }
  if (!has("npm")) throw new Failure("npm is not to be found", "install it: it comes with Node.js");
  if (!has("cargo")) throw new Failure("cargo is not to be found", "install Rust 1.95 or newer: https://rustup.rs");
  if (has("cc")) return;
  const hint = "install a C compiler: apt-get install gcc libc6-dev";
  const apt = process.getuid() === 0 ? ["apt-get"] : ["sudo", "-n", "apt-get"];
  await step("Install a C compiler", async () => {
    await run(apt[0], [...apt.slice(1), "update"], { hint });
    await run(apt[0], [...apt.slice(1), "install", "-y", "gcc", "libc6-dev"], { hint });
  });
}

/** Waits until no other demo builds in this clone; gives what lets the next one in. */
async function alone() {
  mkdirSync(join(root, "target"), { recursive: true });
  const lock = join(root, "target/demo.lock");
  // The lock is held until its standard input ends, at the latest when we do.
  const { child, closed } = start("flock", [lock, "sh", "-c", "echo; cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const held = new Promise((resolve) => child.stdout.once("data", resolve));
  const missing = closed.then(({ error }) => {
    throw new Failure(`flock failed: ${error?.message ?? "see above"}`, "install it: apt-get install util-linux");
  });
  missing.catch(() => {});
  const soon = new Promise((resolve) => setTimeout(resolve, 300, "busy"));
  if ((await Promise.race([held, missing, soon])) === "busy") {
    await step("Another demo builds here; wait for it", () => Promise.race([held, missing]));
  }
  return () => child.stdin.end();
}

/** Installs a folder's packages and builds it, if what they come from is newer than they are. */
async function npm(folder, product, others = []) {
  const cwd = join(root, folder);
  const installed = changed(join(cwd, "node_modules/.package-lock.json"));
  const sources = [cwd, ...others.map((other) => join(root, other))];
  const install = installed <= changed(join(cwd, "package-lock.json"));
  const build = product && (install || changed(join(cwd, product)) <= Math.max(...sources.map(newest)));
  if (!install && !build) return;
  await step(`Packages and build of ${folder}`, async (note) => {
    const hint = "see whether npm reaches its registry (`npm ping`), then run `make demo` again";
    const patience = ["--fetch-retry-mintimeout=2000", "--fetch-retry-maxtimeout=10000"];
    const args = ["ci", "--no-audit", "--no-fund", "--prefer-offline", ...patience];
    if (install) await run("npm", args, { cwd, note, hint, lines: [0, 8] });
    if (build) await run("npm", ["run", "--silent", "build"], { cwd, note, hint: "see above what it says" });
  });
}

/** When a file was changed; an absent one never was. */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** When the newest file of a folder's own was changed. */
function newest(path) {
  const state = statSync(path);
  if (!state.isDirectory()) return state.mtimeMs;
  const entries = readdirSync(path).filter((name) => !["node_modules", "dist", "build"].includes(name));
  return Math.max(0, ...entries.map((name) => newest(join(path, name))));
}
