// What the pages hold of the platform's state, and how it is kept: fetched once, then moved on by the
// event stream. Nothing polls but what no event tells of (budgets.ts); an answer is fetched again only after
// the stream was lost.
import { QueryClient, type InfiniteData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import type { Verb } from "../lib/life";
import { mergeNetworks, newerOperation, upsertOperation } from "../live/reduce";
import * as api from "./client";
import { ApiError, isUnauthenticated } from "./problem";
import type { Accepted, Manifest, Network, Operation, PageOperation } from "./types";

export const keys = {
  session: ["session"],
  status: ["status"],
  networks: ["networks"],
  blocks: (network: string) => ["blocks", network],
  operations: ["operations"],
  operation: (id: string) => ["operation", id],
  budget: ["budget"],
  usage: (network: string) => ["usage", network],
  /** All that a network's members decide; each list below has one more word. */
  governance: (network: string) => ["governance", network],
  proposal: (network: string, id: number) => ["governance", network, "proposals", String(id)],
} as const;

/** Ids of networks that the stream has said are gone; a slow answer doesn't bring them back. */
export const goneNetworks = new Set<string>();

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: Number.POSITIVE_INFINITY,
        gcTime: 10 * 60 * 1000,
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        // The platform's own answers are final; only an unanswered request is tried again.
        retry: (failures, error) =>
          failures < 2 && error instanceof ApiError && error.problem.code === "platform_not_running",
        retryDelay: (failures) => 300 * 2 ** failures,
      },
    },
  });
}

export type Session = "open" | "none";

/** Whether there is a session. No session is an answer, not an error. */
export function useSession() {
  return useQuery({
    queryKey: keys.session,
    queryFn: async (): Promise<Session> => {
      try {
        await api.fetchSession();
        return "open";
      } catch (error) {
        if (isUnauthenticated(error)) return "none";
        throw error;
      }
    },
  });
}

export function useStatus() {
  return useQuery({ queryKey: keys.status, queryFn: api.fetchStatus, staleTime: 0 });
}

async function fetchNetworks({ client }: { client: QueryClient }): Promise<readonly Network[]> {
  const fetched = await api.fetchNetworks();
  const known = client.getQueryData<readonly Network[]>(keys.networks) ?? [];
  return mergeNetworks(known, fetched, goneNetworks);
}

export function useNetworks() {
  return useQuery({ queryKey: keys.networks, queryFn: fetchNetworks });
}

/** The network of that name or id: `null` where there is none. */
export function useNetwork(name: string) {
  return useQuery({
    queryKey: keys.networks,
    queryFn: fetchNetworks,
    select: (networks) => networks.find((network) => network.name === name || network.id === name) ?? null,
  });
}

export function useBlocks(network: Network, enabled: boolean) {
  return useQuery({
    queryKey: keys.blocks(network.id),
    queryFn: () => api.fetchBlocks(network.id),
    enabled,
    staleTime: 0,
  });
}

export function useOperations() {
  return useInfiniteQuery({
    queryKey: keys.operations,
    queryFn: ({ pageParam }) => api.fetchOperations(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page: PageOperation) => page.next_cursor ?? null,
    select: (data) => {
      const byId = new Map(data.pages.flatMap((page) => page.items).map((operation) => [operation.id, operation]));
      return [...byId.values()].sort((a, b) => b.created_at_ms - a.created_at_ms);
    },
  });
}

export function useOperation(id: string | null) {
  return useQuery({
    queryKey: keys.operation(id ?? ""),
    queryFn: async ({ client }: { client: QueryClient }): Promise<Operation> => {
      const fetched = await api.fetchOperation(id ?? "");
      const known = client.getQueryData<Operation>(keys.operation(fetched.id));
      return known ? newerOperation(known, fetched) : fetched;
    },
    enabled: id !== null,
  });
}

type OperationPages = InfiniteData<PageOperation, string | null>;

/** Keeps an operation that an event or an answer has brought. */
export function keepOperation(client: QueryClient, operation: Operation): void {
  client.setQueryData<Operation>(keys.operation(operation.id), (known) =>
    known ? newerOperation(known, operation) : operation,
  );
  client.setQueryData<OperationPages>(keys.operations, (data) => {
    if (data === undefined) return data;
    const holder = data.pages.findIndex((page) => page.items.some((item) => item.id === operation.id));
    const pages = data.pages.map((page, index) =>
      index === Math.max(holder, 0) ? { ...page, items: [...upsertOperation(page.items, operation)] } : page,
    );
    return { ...data, pages };
  });
}

/** The doctor's look at a network; what it finds reaches the network's conditions too. */
export function useExamination(network: string) {
  return useMutation({ mutationFn: () => api.examineNetwork(network) });
}

/** A change that the platform accepts: the answer's objects are kept at once. */
export function useAccepted<Input>(client: QueryClient, send: (input: Input) => Promise<Accepted>) {
  return useMutation({
    mutationFn: send,
    onSuccess: ({ network, operation }) => {
      client.setQueryData<readonly Network[]>(keys.networks, (known) =>
        known && !goneNetworks.has(network.id)
          ? mergeNetworks(known, [...known.filter((other) => other.id !== network.id), network], goneNetworks)
          : known,
      );
      if (operation) keepOperation(client, operation);
    },
  });
}

export function useCreateNetwork(client: QueryClient) {
  return useAccepted(client, (manifest: Manifest) => api.createNetwork(manifest));
}

const LIFE: Record<Verb, (name: string) => Promise<Accepted>> = {
  stop: api.stopNetwork,
  start: api.startNetwork,
  sleep: api.sleepNetwork,
  wake: api.wakeNetwork,
};

export interface LifeChange {
  verb: Verb;
  name: string;
}

export function useLifeChange(client: QueryClient) {
  return useAccepted(client, ({ verb, name }: LifeChange) => LIFE[verb](name));
}

export function useDestroyNetwork(client: QueryClient) {
  return useAccepted(client, (name: string) => api.destroyNetwork(name));
}
