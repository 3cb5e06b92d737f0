// Calls of the platform's API, by the client that is generated from openapi.json. What goes wrong is
// thrown as an ApiError, with the platform's code, message and hint.
import createClient, { type Middleware } from "openapi-fetch";
import { ApiError, isProblem, unexpected, unreachable } from "./problem";
import type { paths } from "./schema";
import type {
  Accepted, BlockSummary, Diagnosis, Manifest, Network, Operation, PageOperation, PlatformStatus,
} from "./types";

export const ORGANIZATION = "default";
export const EVENTS_URL = `/v1/organizations/${ORGANIZATION}/events`;

/** A repeated request acts once: the key is made per call, not per attempt on the wire. */
const onceOnly: Middleware = {
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("idempotency-key", randomKey());
    return request;
  },
};

// crypto.randomUUID exists in secure contexts only; a platform may be reached by an address.
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const client = createClient<paths>({ baseUrl: window.location.origin });
client.use(onceOnly);

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

async function answered<Data>(call: Promise<Answer<Data>>): Promise<Answer<Data>> {
  const answer = await call.catch((error: unknown) => {
    throw error instanceof TypeError ? new ApiError(unreachable()) : error;
  });
  if (answer.response.ok) return answer;
  throw new ApiError(isProblem(answer.error) ? answer.error : unexpected(answer.response.status));
}

/** What was answered, where it is not nothing. */
export async function body<Data>(call: Promise<Answer<Data>>): Promise<Data> {
  const { data, response } = await answered(call);
  if (data === undefined) throw new ApiError(unexpected(response.status));
  return data;
}

const organization = ORGANIZATION;

export async function fetchSession(): Promise<void> {
  await answered(client.GET("/v1/session"));
}

export async function openSession(code: string): Promise<void> {
  await answered(client.POST("/v1/session", { body: { code } }));
}

export async function endSession(): Promise<void> {
  await answered(client.DELETE("/v1/session"));
}

export function fetchStatus(): Promise<PlatformStatus> {
  return body(client.GET("/v1/status"));
}

/** All networks: page after page. */
export async function fetchNetworks(): Promise<Network[]> {
  const networks: Network[] = [];
  let cursor: string | undefined;
  do {
    const page = await body(
      client.GET("/v1/organizations/{organization}/networks", { params: { path: { organization }, query: { cursor } } }),
    );
    networks.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return networks;
}

export function createNetwork(manifest: Manifest): Promise<Accepted> {
  return body(
    client.POST("/v1/organizations/{organization}/networks", { params: { path: { organization } }, body: manifest }),
  );
}

export function stopNetwork(network: string): Promise<Accepted> {
  return body(
    client.POST("/v1/organizations/{organization}/networks/{network}/stop", { params: { path: { organization, network } } }),
  );
}

export function startNetwork(network: string): Promise<Accepted> {
  return body(
    client.POST("/v1/organizations/{organization}/networks/{network}/start", { params: { path: { organization, network } } }),
  );
}

export function sleepNetwork(network: string): Promise<Accepted> {
  return body(
    client.POST("/v1/organizations/{organization}/networks/{network}/sleep", { params: { path: { organization, network } } }),
  );
}

export function wakeNetwork(network: string): Promise<Accepted> {
  return body(
    client.POST("/v1/organizations/{organization}/networks/{network}/wake", { params: { path: { organization, network } } }),
  );
}

export function destroyNetwork(network: string): Promise<Accepted> {
  return body(
    client.DELETE("/v1/organizations/{organization}/networks/{network}", { params: { path: { organization, network } } }),
  );
}

export function fetchBlocks(network: string): Promise<BlockSummary[]> {
  return body(
    client.GET("/v1/organizations/{organization}/networks/{network}/blocks", {
      params: { path: { organization, network }, query: { limit: 25 } },
    }),
  );
}

/** Asks the nodes and the endpoint anew: it takes a few seconds where they do not answer. */
export function examineNetwork(network: string): Promise<Diagnosis> {
  return body(
    client.GET("/v1/organizations/{organization}/networks/{network}/doctor", {
      params: { path: { organization, network } },
    }),
  );
}

export function fetchOperations(cursor: string | null): Promise<PageOperation> {
  return body(
    client.GET("/v1/organizations/{organization}/operations", {
      params: { path: { organization }, query: { cursor: cursor ?? undefined } },
    }),
  );
}

export function fetchOperation(operation: string): Promise<Operation> {
  return body(
    client.GET("/v1/organizations/{organization}/operations/{operation}", { params: { path: { organization, operation } } }),
  );
}

/** The last lines of a node's log, then those that follow, until the signal ends it. */
export async function openLogs(network: string, node: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const stream = await body(
    client.GET("/v1/organizations/{organization}/networks/{network}/nodes/{node}/logs", {
      params: { path: { organization, network, node }, query: { tail: 500, follow: true } },
      parseAs: "stream",
      signal,
    }),
  );
  if (stream === null) throw new ApiError(unexpected(200));
  return stream;
}
