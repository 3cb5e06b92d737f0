// What the demo is made of: lines, steps with their time, programs that end with it, and the ways in
// which it can be halted: by a signal, by a reader that has gone away, by a platform that died.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const terminal = process.stderr.isTTY;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** How long a program has to end after SIGTERM. */
const GRACE_MS = 5_000;

/** An error that tells what to do. */
export class Failure extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** Somebody wants the demo to end. */
export class Interrupted extends Error {
  constructor(signal) {
    super(signal === "SIGINT" ? "Ctrl-C" : signal);
    this.exitCode = 128 + SIGNALS[signal];
  }
}

export const say = (line = "") => process.stdout.write(`${line}\n`);
const clear = () => terminal && process.stderr.write("\r\x1b[2K");

/** A promise that only ever fails; whoever does not look at it is not bothered by it. */
function alarm() {
  let raise;
  const raised = new Promise((_, reject) => (raise = reject));
  raised.catch(() => {});
  return { raise, raised };
}

const first = alarm();
const second = alarm();

/** Fails when the demo shall go no further. */
export const halted = first.raised;
export const halt = first.raise;
/** Fails when whoever waits for the dismantling has lost patience. */
export const impatient = second.raised;

/** What has happened to the demo from outside. */
export const seen = { hangUp: false };

let told = false;
for (const signal of Object.keys(SIGNALS)) {
  process.on(signal, () => {
    seen.hangUp ||= signal === "SIGHUP";
    (told ? second : first).raise(new Interrupted(signal));
    told = true;
  });
}
// A closed terminal or pipe takes no more lines; what was begun is dismantled all the same.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", () => first.raise(new Interrupted("SIGHUP")));
}

/** Shows a step with the time that it takes, and fails when it does or when `until` does. */
export async function step(name, action, until = halted) {
  const began = Date.now();
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  let note = "";
  const show = () => {
    const line = `  ${name} … ${seconds()} ${note}`.slice(0, (process.stderr.columns || 80) - 1);
    process.stderr.write(`\r\x1b[2K${line}`);
  };
  const ticker = terminal
    ? setInterval(show, 200)
    : setInterval(() => say(`  ${name} … ${seconds()}`), 30_000);
  try {
    const result = await Promise.race([action((text) => (note = text)), until]);
    clear();
    say(`  ${name.padEnd(44)} ${seconds().padStart(8)}`);
    return result;
  } catch (error) {
    error.step ??= name;
    throw error;
  } finally {
    clearInterval(ticker);
    clear();
  }
}

const running = new Map();

/** The environment without what would lead our commands to another platform. */
export function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("WINDLASS_"));
  return Object.fromEntries(kept);
}

/** Starts a program in a process group of its own, so that Ctrl-C reaches the demo alone. */
export function start(program, args, options) {
  const child = spawn(program, args, { detached: true, env: environment(), ...options });
  const closed = new Promise((resolve) => {
    child.on("error", (error) => resolve({ error }));
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  running.set(child, closed);
  closed.then(() => running.delete(child));
  return { child, closed };
}

/** Runs a program to its end and gives what it printed; `lines` of what it said tell why it failed. */
export async function run(program, args, { cwd = root, note = () => {}, hint, lines = [-15] } = {}) {
  const { child, closed } = start(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"]) {
    child[stream].setEncoding("utf8").on("data", (text) => {
      said[stream] += text;
      note(text.trim().split("\n").at(-1)?.trim() ?? "");
    });
  }
  const { code, signal, error } = await closed;
  if (code === 0) return said.stdout;
  const command = `\`${[program.replace(`${root}/`, ""), ...args].join(" ")}\``;
  if (error) throw new Failure(`${command} cannot be run: ${error.message}`, hint);
  const problem = problemIn(said.stderr);
  if (problem) throw new Failure(`${command}: ${problem.detail}`, problem.hint);
  const end = (said.stderr || said.stdout).trim().split("\n").slice(...lines).join("\n");
  throw new Failure(`${command} ${signal ? `was ended by ${signal}` : `failed (${code})`}:\n${end}`, hint);
}

/** The problem that `windlass --json` reports in its last line. */
export function problemIn(text) {
  try {
    const problem = JSON.parse(text.trim().split("\n").at(-1));
    return problem.hint ? problem : undefined;
  } catch {
    return undefined;
  }
}

/** Ends every program that still runs, with all that it started; `spared` is left alone. */
export async function endAll(spared) {
  const ending = [...running].filter(([child]) => child !== spared);
  const signalAll = (signal) => {
    for (const [child] of ending) {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended by itself.
      }
    }
  };
  signalAll("SIGTERM");
  const impatience = setTimeout(() => signalAll("SIGKILL"), GRACE_MS);
  await Promise.all(ending.map(([, closed]) => closed));
  clearTimeout(impatience);
}
