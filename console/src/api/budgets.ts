// What an organization may have and has, what its networks used, and how long they live.
import { type QueryClient, useQuery } from "@tanstack/react-query";
import { CHART_HOURS, HOUR_MS } from "../lib/usage";
import { body, client, ORGANIZATION } from "./client";
import { keys, useAccepted } from "./queries";
import type { Accepted, Extension, HourOfUse, OrganizationBudget } from "./types";

const organization = ORGANIZATION;

/** What is measured has no event: it is asked for once a minute, while somebody looks. */
const MEASURED_MS = 60_000;

export function useBudget() {
  return useQuery({
    queryKey: keys.budget,
    queryFn: (): Promise<OrganizationBudget> =>
      body(client.GET("/v1/organizations/{organization}/budget", { params: { path: { organization } } })),
    staleTime: 0,
    refetchInterval: MEASURED_MS,
    // Who set a quota on the command line comes back to this window.
    refetchOnWindowFocus: "always",
  });
}

/** What a network used in the hours of a chart, and in those of the reader's day. */
export function useUsage(network: string) {
  return useQuery({
    queryKey: keys.usage(network),
    queryFn: (): Promise<HourOfUse[]> =>
      body(
        client.GET("/v1/organizations/{organization}/usage", {
          params: { path: { organization }, query: { from_ms: Date.now() - (CHART_HOURS - 1) * HOUR_MS, network } },
        }),
      ),
    staleTime: MEASURED_MS,
    refetchInterval: MEASURED_MS,
  });
}

export interface Extending {
  name: string;
  extension: Extension;
}

export function useExtend(queries: QueryClient) {
  return useAccepted(queries, ({ name, extension }: Extending): Promise<Accepted> =>
    body(
      client.POST("/v1/organizations/{organization}/networks/{network}/extend", {
        params: { path: { organization, network: name } },
        body: extension,
      }),
    ),
  );
}
