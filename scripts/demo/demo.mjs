// `make demo`: builds Windlass, starts a platform, creates a network of four validators, sends it
// 1,000 real transfers, and stays up until Ctrl-C. With DEMO_ONCE=1 it ends by itself. Whatever
// happens, nothing of it is left afterwards; a second Ctrl-C leaves nothing the short way.
//
// DEMO_PROGRAM names a `windlass` that is built already.
import { build } from "./build.mjs";
import { Platform } from "./platform.mjs";
import { Failure, Interrupted, endAll, halt, halted, impatient, say, seen, step } from "./steps.mjs";

const once = Boolean(process.env.DEMO_ONCE);

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
  const plural = (kind) => (kind === "process" || kind === "directory" ? `${kind.replace(/y$/, "i")}es` : `${kind}s`);
  const sum = [...kinds].map(([kind, count]) => `${count} ${count === 1 ? kind : plural(kind)}`).join(", ");
  say();
  say(`Released: ${sum}. Each was verified gone:`);
  for (const line of receipt.released) {
    say(`  ${line.kind.padEnd(10)} ${line.owner.padEnd(14)} ${line.name} (${line.verified})`);
  }
  const took = receipt.completed_at_ms - receipt.requested_at_ms;
  say(`Release receipt of ${receipt.name}, after ${took} ms.`);
}

async function traffic(network, note) {
  // Only now: its packages have been installed meanwhile.
  const { load } = await import("./load.mjs");
  const progress = (count) => note(`${count} of 1000`);
  try {
    return await load(network.endpoint, { accounts: 20, transfers: 1000, progress });
  } catch (error) {
    // A client's errors go on for pages; what the network answered says what happened.
    let cause = error;
    while (cause.cause instanceof Error) cause = cause.cause;
    const said = error.details ?? error.shortMessage ?? error.message;
    const what = said === "fetch failed" ? cause.message : said;
    throw new Failure(`a client of the network failed: ${what}`, "run `make demo` again");
  }
}

/** The demo, up to where somebody looks at it or it ends by itself. */
async function show(begun) {
  say("Windlass demo");
  const program = await build(process.env.DEMO_PROGRAM);
  const platform = (begun.platform = new Platform(program));
  const started = await step("Start the platform", () => platform.start());
  const created = await step("Create a network of four validators", () =>
    platform.cli("network", "create", "demo", "--validators", "4"),
  );
  showEvidence(created);
  const figures = await step("Deploy an ERC-20, send 1,000 transfers", (note) => traffic(created.network, note));
  say();
  say(`  ${figures.transfers} transfers from 20 accounts are final, in ${figures.blocks} blocks`);
  say(`  ${figures.perSecond.toFixed(0)} finalised transactions a second`);
  say(`  finality as the client saw it: p50 ${figures.p50.toFixed(0)} ms, p99 ${figures.p99.toFixed(0)} ms`);
  say();
  say(`  Console: ${started.login_url ?? started.url}`);
  say("           (the link works once)");
  say();
  if (once) return;
  say(`  Command line: ${program} --data-dir ${platform.dataDir} network ls`);
  say("  Stop with Ctrl-C: the network is dismantled and its release receipt printed.");
  begun.usable = true;
  await halted;
}

/** Dismantles in order, whatever was begun, and shows the receipts. */
async function dismantle({ platform }) {
  if (!platform?.up) return;
  const dismantling = (note) => {
    note("(Ctrl-C again: at once, without a receipt)");
    return platform.dismantle();
  };
  const receipts = await step("Dismantle", dismantling, impatient);
  receipts.forEach(showReceipt);
}

/** Ends and removes what the orderly way has not. */
async function leaveNothing({ platform }) {
  await endAll();
  await platform?.leaveNothing();
}

function report(error) {
  const at = error.step ? ` at “${error.step}”` : "";
  const how = error instanceof Interrupted ? `was ended by ${error.message}` : "failed";
  process.stderr.write(`\nThe demo ${how}${at}.\n`);
  if (error instanceof Interrupted) return;
  process.stderr.write(`${error instanceof Failure ? error.message : error.stack}\n`);
  if (error.hint) process.stderr.write(`What to do: ${error.hint}\n`);
}

/** Runs one part of the demo and gives its error, if it has one. */
const errorOf = (part) => part.then(() => undefined, (error) => error);

async function main() {
  const begun = {};
  const shown = await errorOf(show(begun));
  // Ctrl-C is how it is stopped once it is up.
  const failed = begun.usable && shown instanceof Interrupted ? undefined : shown;
  const dismantled = await errorOf(dismantle(begun));
  const left = await errorOf(leaveNothing(begun));
  const errors = [failed, dismantled, left].filter(Boolean);
  errors.forEach(report);
  if (!left) say(errors.length > 0 ? "Nothing of it is left." : "");
  return errors.length > 0 ? (errors[0].exitCode ?? 1) : 0;
}

// What nobody has caught must not keep the demo from dismantling.
process.on("uncaughtException", (error) => halt(error));

const code = await main();
if (seen.hangUp) {
  // Without its terminal Node.js crashes in an orderly exit.
  process.removeAllListeners("SIGHUP");
  process.kill(process.pid, "SIGHUP");
}
process.stdout.write("", () => process.exit(code));
// A reader that has gone away never calls back.
setTimeout(() => process.exit(code), 1_000);
