// The keys of a network's endpoint: asked for anew whenever their network has changed.
import { keepPreviousData, type QueryClient, useMutation, useQuery } from "@tanstack/react-query";
import { body, client, ORGANIZATION } from "./client";
import type { EndpointKey, KeyRequest, Network, NewEndpointKey, RevokedKey } from "./types";

const organization = ORGANIZATION;
const KEYS = "/v1/organizations/{organization}/networks/{network}/keys";
const ofNetwork = (network: string) => ["keys", network] as const;

export function useKeys(network: Network) {
  return useQuery({
    queryKey: [...ofNetwork(network.id), network.resource_version],
    queryFn: (): Promise<EndpointKey[]> => body(client.GET(KEYS, { params: { path: { organization, network: network.id } } })),
    placeholderData: keepPreviousData,
  });
}

function useKeyChange<Input, Answer>(queries: QueryClient, network: Network, send: (input: Input) => Promise<Answer>) {
  return useMutation({
    mutationFn: send,
    onSuccess: () => queries.invalidateQueries({ queryKey: ofNetwork(network.id) }),
  });
}

export function useCreateKey(queries: QueryClient, network: Network) {
  return useKeyChange(queries, network, (request: KeyRequest): Promise<NewEndpointKey> =>
    body(client.POST(KEYS, { params: { path: { organization, network: network.id } }, body: request })),
  );
}

interface Rotation {
  key: string;
  overlapS: number;
}

export function useRotateKey(queries: QueryClient, network: Network) {
  return useKeyChange(queries, network, ({ key, overlapS }: Rotation): Promise<NewEndpointKey> =>
    body(
      client.POST(`${KEYS}/{key}/rotate`, {
        params: { path: { organization, network: network.id, key } },
        body: { overlap_s: overlapS },
      }),
    ),
  );
}

export function useRevokeKey(queries: QueryClient, network: Network) {
  return useKeyChange(queries, network, (key: string): Promise<RevokedKey> =>
    body(client.DELETE(`${KEYS}/{key}`, { params: { path: { organization, network: network.id, key } } })),
  );
}
