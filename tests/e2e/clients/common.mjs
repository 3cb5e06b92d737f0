// What the scripts of this folder share: the endpoint, the compiled token, raw JSON-RPC, and `step`.
import { readFileSync } from "node:fs";

export const endpoint = process.env.ENDPOINT;
if (!endpoint) throw new Error("set ENDPOINT to the network's URL");

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

/** Posts a JSON body as it is and gives status and parsed answer. */
export async function post(body) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}
