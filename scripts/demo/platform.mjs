// The demo's platform: in a directory and on ports of its own, with nothing left when it has gone.
import { mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Failure, endAll, halt, problemIn, run, start } from "./steps.mjs";

/** How long the platform has to listen. */
const START_MS = 60_000;
/** How long after a command that failed the platform's death may be noticed. */
const DEATH_MS = 300;
/** The longest path in which the demo's directory is made. */
const BASE_MAX = 40;
/** A network that was asked for before we looked is there when we look again. */
const DOWN_ATTEMPTS = 3;
/** How deep below the control groups' root ours can be. */
const GROUP_DEPTH = 6;

export class Platform {
  constructor(program) {
    this.program = program;
    // The sockets below it have a limited path.
    const base = tmpdir().length > BASE_MAX ? "/tmp" : tmpdir();
    try {
      // Its processes name it without symbolic links.
      this.folder = realpathSync(mkdtempSync(join(base, "windlass-demo-")));
    } catch (error) {
      const hint = "make room there, or name a directory that you can write to: TMPDIR=… make demo";
      throw new Failure(`no directory can be made in ${base}: ${error.message}`, hint);
    }
    this.dataDir = join(this.folder, "data");
  }

  /** Starts it; if it dies later without having been asked to, the demo is halted. */
  async start() {
    const args = ["up", "--json", "--data-dir", this.dataDir, "--listen", "127.0.0.1:0"];
    const { child, closed } = start(this.program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-20_000)));
    this.death = closed.then(({ code, signal, error }) => {
      this.up = false;
      const death = died({ code, signal, error, log });
      if (!this.leaving) halt(death);
      return death;
    });
    let printed = "";
    const ready = new Promise((resolve) => {
      child.stdout.setEncoding("utf8").on("data", (text) => {
        printed += text;
        try {
          resolve(JSON.parse(printed));
        } catch {
          // Not whole yet.
        }
      });
    });
    let timer;
    const late = new Promise((_, reject) => {
      const hint = "see whether the machine is overloaded, and try again";
      const failure = new Failure(`the platform does not listen after ${START_MS / 1000} s`, hint);
      timer = setTimeout(() => reject(failure), START_MS);
    });
    const started = await Promise.race([ready, late]).finally(() => clearTimeout(timer));
    this.up = true;
    return started;
  }

  async cli(...args) {
    try {
      return JSON.parse(await run(this.program, [...args, "--json", "--data-dir", this.dataDir]));
    } catch (error) {
      // If the platform died under the command, that is what there is to say.
      const alive = new Promise((resolve) => setTimeout(resolve, DEATH_MS));
      throw (await Promise.race([this.death, alive])) ?? error;
    }
  }

  /** Destroys every network, however far it came, ends the platform, and gives the receipts. */
  async dismantle() {
    this.leaving = true;
    // Whoever was creating a network asks for no more, but may have asked an instant ago.
    await endAll(this.child);
    const receipts = [];
    for (let attempt = 1; ; attempt += 1) {
      for (const { name } of await this.cli("network", "ls")) {
        const { operation } = await this.cli("network", "destroy", name, "-y");
        receipts.push(operation.receipt);
      }
      try {
        await this.cli("down");
        return receipts;
      } catch (error) {
        if (attempt === DOWN_ATTEMPTS) throw error;
      }
    }
  }

  /** Ends and removes whatever is left, for when the orderly way has failed too. */
  async leaveNothing() {
    this.leaving = true;
    const deadline = Date.now() + 10_000;
    let left = this.processes();
    while (left.length > 0 && Date.now() < deadline) {
      for (const pid of left) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has ended by itself.
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
      left = this.processes();
    }
    if (left.length > 0) throw new Failure(`these processes do not end: ${left}`, "look at them with ps");
    await this.removeGroups(deadline);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Every process of our program that was started with our directory, which is nobody else's. */
  processes() {
    const ours = (pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return basename(args[0]) === basename(this.program) && args.some((arg) => arg.startsWith(this.folder));
      } catch {
        return false;
      }
    };
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && ours(name)).map(Number);
  }

  /** Removes our control groups; one lets go of a killed process only after a moment. */
  async removeGroups(deadline) {
    let installation;
    try {
      installation = JSON.parse(readFileSync(join(this.dataDir, "installation.json"), "utf8")).id;
    } catch {
      return;
    }
    for (;;) {
      const left = groups("/sys/fs/cgroup", installation, GROUP_DEPTH).filter((group) => {
        try {
          rmdirSync(group);
          return false;
        } catch {
          return true;
        }
      });
      if (left.length === 0) return;
      const hint = "remove them with rmdir when their processes have ended";
      if (Date.now() > deadline) throw new Failure(`these control groups are busy: ${left}`, hint);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function died({ code, signal, error, log }) {
  if (error) return new Failure(`the platform cannot be run: ${error.message}`, "build it again");
  const problem = problemIn(log);
  if (problem) return new Failure(`the platform did not start: ${problem.detail}`, problem.hint);
  if (signal) return new Failure(`the platform was ended by ${signal}`, "run `make demo` again");
  const end = log.trim().split("\n").slice(-5).join("\n");
  const hint = "see above what it said last, and run `make demo` again";
  return new Failure(`the platform ended with code ${code}\n${end}`.trim(), hint);
}

/** The control groups that carry the installation's id, the deepest first. */
function groups(folder, installation, depth) {
  if (depth === 0) return [];
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      const below = groups(path, installation, depth - 1);
      return entry.name.includes(installation) ? [...below, path] : below;
    });
}
