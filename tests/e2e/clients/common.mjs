// What the scripts of this folder share: the endpoint, the compiled token, raw JSON-RPC, `step` and
// `watched`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const endpoint = process.env.ENDPOINT;
if (!endpoint) throw new Error("set ENDPOINT to the network's URL");

/** The same, for a WebSocket. */
export const socketEndpoint = endpoint.replace(/^http/, "ws");

export const token = JSON.parse(
  readFileSync(new URL("../../../contracts/build/Token.json", import.meta.url), "utf8"),
);

/** Runs one step and says how long it took; a failure names the step. */
export async function step(name, action) {
  const began = performance.now();
  try {
    const result = await action();
    console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`);
    return result;
  } catch (error) {
    console.error(`FAILED ${name}`);
    throw error;
  }
}

/**
 * Acts until a watcher has told of three acts. Libraries do not say when they have begun to watch,
 * and some begin with what is there; but from the first that they tell of on they must tell of each,
 * once and in order. Nobody else may act meanwhile.
 *
 * `watch` is given what to call with news and with an error, and gives what ends it; `act` gives what
 * the watcher has to say of it.
 */
export async function watched(watch, act) {
  const seen = [];
  const done = [await act()];
  let failure;
  const stop = await watch(
    (news) => seen.push(news),
    (error) => (failure = error),
  );
  while (seen.length < 3) {
    if (failure) throw failure;
    assert.ok(done.length < 50, `the watcher saw ${seen.length} of ${done.length}`);
    done.push(await act());
  }
  await stop();
  const first = done.indexOf(seen[0]);
  assert.ok(first >= 0, `the watcher saw ${seen[0]}, which nobody did`);
  assert.deepEqual(seen, done.slice(first, first + seen.length));
}

/** Posts a JSON body as it is and gives status and parsed answer. */
export async function post(body, headers = {}) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}
