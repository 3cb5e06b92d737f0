import { ApiError, isProblem, unreachable } from "./problem";
import type { Accepted, BlockSummary, Manifest, Network, Operation, Page, PlatformStatus } from "./types";

export const ORGANIZATION = "default";
export const EVENTS_URL = `/v1/organizations/${ORGANIZATION}/events`;
const BASE = `/v1/organizations/${ORGANIZATION}`;

async function request(method: string, path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["idempotency-key"] = crypto.randomUUID();
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(unreachable());
  }
  if (response.ok) return response;
  const problem: unknown = await response.json().catch(() => null);
  throw new ApiError(isProblem(problem) ? problem : { ...unreachable(), status: response.status });
}
const json = async <T,>(method: string, path: string, body?: unknown): Promise<T> => (await request(method, path, body)).json();

export async function fetchNetworks(): Promise<Network[]> {
  const page = await json<Page<Network>>("GET", `${BASE}/networks`);
  return page.items;
}
export const fetchSession = async (): Promise<void> => void (await request("GET", "/v1/session"));
export const openSession = async (code: string): Promise<void> => void (await request("POST", "/v1/session", { code }));
export const endSession = async (): Promise<void> => void (await request("DELETE", "/v1/session"));
export const fetchStatus = () => json<PlatformStatus>("GET", "/v1/status");
export const createNetwork = (manifest: Manifest) => json<Accepted>("POST", `${BASE}/networks`, manifest);
export const stopNetwork = (name: string) => json<Accepted>("POST", `${BASE}/networks/${name}/stop`);
export const startNetwork = (name: string) => json<Accepted>("POST", `${BASE}/networks/${name}/start`);
export const destroyNetwork = (name: string) => json<Accepted>("DELETE", `${BASE}/networks/${name}`);
export const fetchBlocks = (name: string) => json<BlockSummary[]>("GET", `${BASE}/networks/${name}/blocks`);
export const fetchOperations = (cursor: string | null) =>
  json<Page<Operation>>("GET", `${BASE}/operations${cursor === null ? "" : `?cursor=${cursor}`}`);
export const fetchOperation = (id: string) => json<Operation>("GET", `${BASE}/operations/${id}`);
export async function openLogs(network: string, node: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await fetch(`${BASE}/networks/${network}/nodes/${node}/logs?tail=500&follow=true`, { signal });
  if (!response.ok || response.body === null) {
    const problem: unknown = await response.json().catch(() => null);
    throw new ApiError(isProblem(problem) ? problem : unreachable());
  }
  return response.body;
}
