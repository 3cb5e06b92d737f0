// What a network's members decide: read from its contract through the platform, and sent to it. It moves
// on when the stream says that something was decided; see live/provider.
import { type QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { answersQuestions } from "../lib/life";
import { body, client, ORGANIZATION } from "./client";
import { ApiError, unexpected } from "./problem";
import { keys, useAccepted } from "./queries";
import type {
  Accepted, BallotPlan, Network, NetworkMember, NetworkObserver, NetworkParameters, NetworkValidator, PageProposal, Proposal,
  ProposalRequest, SettleRequest, VoteRequest,
} from "./types";

/** How many proposals a page has. */
const PAGE = 20;
const organization = ORGANIZATION;

/** What is sent for a member, or only tried. */
export type Ballot =
  | { kind: "propose"; request: ProposalRequest }
  | { kind: "vote"; proposal: number; request: VoteRequest }
  | { kind: "settle"; proposal: number; request: SettleRequest };

function fetchMembers(network: string): Promise<NetworkMember[]> {
  return body(client.GET("/v1/organizations/{organization}/networks/{network}/members", { params: { path: { organization, network } } }));
}

function fetchValidators(network: string): Promise<NetworkValidator[]> {
  return body(client.GET("/v1/organizations/{organization}/networks/{network}/validators", { params: { path: { organization, network } } }));
}

function fetchObservers(network: string): Promise<NetworkObserver[]> {
  return body(client.GET("/v1/organizations/{organization}/networks/{network}/observers", { params: { path: { organization, network } } }));
}

function fetchParameters(network: string): Promise<NetworkParameters> {
  return body(client.GET("/v1/organizations/{organization}/networks/{network}/parameters", { params: { path: { organization, network } } }));
}

function fetchProposals(network: string, cursor: string | null): Promise<PageProposal> {
  return body(
    client.GET("/v1/organizations/{organization}/networks/{network}/proposals", {
      params: { path: { organization, network }, query: { cursor: cursor ?? undefined, limit: PAGE } },
    }),
  );
}

function fetchProposal(network: string, proposal: number): Promise<Proposal> {
  return body(
    client.GET("/v1/organizations/{organization}/networks/{network}/proposals/{proposal}", {
      params: { path: { organization, network, proposal } },
    }),
  );
}

function post(network: string, ballot: Ballot, dryRun: "dry" | "real"): Promise<Accepted | BallotPlan> {
  const query = dryRun === "dry" ? { dry_run: true } : {};
  switch (ballot.kind) {
    case "propose":
      return body(
        client.POST("/v1/organizations/{organization}/networks/{network}/proposals", {
          params: { path: { organization, network }, query },
          body: ballot.request,
        }),
      );
    case "vote":
      return body(
        client.POST("/v1/organizations/{organization}/networks/{network}/proposals/{proposal}/votes", {
          params: { path: { organization, network, proposal: ballot.proposal }, query },
          body: ballot.request,
        }),
      );
    case "settle":
      return body(
        client.POST("/v1/organizations/{organization}/networks/{network}/proposals/{proposal}/settlement", {
          params: { path: { organization, network, proposal: ballot.proposal }, query },
          body: ballot.request,
        }),
      );
  }
}

/** What it would do, in words, with warnings; refused as the ballot itself would be. */
async function tryBallot(network: string, ballot: Ballot): Promise<BallotPlan> {
  const answer = await post(network, ballot, "dry");
  if ("words" in answer) return answer;
  throw new ApiError(unexpected(202));
}

async function sendBallot(network: string, ballot: Ballot): Promise<Accepted> {
  const answer = await post(network, ballot, "real");
  if ("network" in answer) return answer;
  throw new ApiError(unexpected(200));
}

type Asked = Pick<Network, "id" | "state" | "intent">;

function useDecided<Data>(network: Asked, what: string, ask: (network: string) => Promise<Data>, againMs?: number) {
  return useQuery({
    queryKey: [...keys.governance(network.id), what],
    queryFn: () => ask(network.id),
    enabled: answersQuestions(network),
    refetchInterval: againMs,
  });
}

export function useMembers(network: Asked) {
  return useDecided(network, "members", fetchMembers);
}

/** They go missing without a decision that would be told. */
const MISSING_AGAIN_MS = 10_000;

export function useValidators(network: Asked) {
  return useDecided(network, "validators", fetchValidators, MISSING_AGAIN_MS);
}

export function useObservers(network: Asked) {
  return useDecided(network, "observers", fetchObservers);
}

export function useParameters(network: Asked) {
  return useDecided(network, "parameters", fetchParameters);
}

export function useProposals(network: Asked) {
  return useInfiniteQuery({
    queryKey: [...keys.governance(network.id), "proposals", "list"],
    queryFn: ({ pageParam }) => fetchProposals(network.id, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page: PageProposal) => page.next_cursor ?? null,
    enabled: answersQuestions(network),
    select: (data) => {
      // Pages are fetched one after the other; a proposal made in between moves none twice.
      const byId = new Map(data.pages.flatMap((page) => page.items).map((proposal) => [proposal.id, proposal]));
      return [...byId.values()].sort((a, b) => b.id - a.id);
    },
  });
}

export function useProposal(network: Asked, id: number) {
  return useQuery({
    queryKey: keys.proposal(network.id, id),
    queryFn: () => fetchProposal(network.id, id),
    enabled: answersQuestions(network),
  });
}

/** Tries a ballot before it is sent; `null` is none yet. */
export function useBallotPlan(network: Asked, ballot: Ballot | null) {
  return useQuery({
    queryKey: [...keys.governance(network.id), "plan", ballot],
    queryFn: async () => (ballot === null ? null : tryBallot(network.id, ballot)),
    enabled: ballot !== null && answersQuestions(network),
    staleTime: 0,
    gcTime: 0,
  });
}

export function useSendBallot(client: QueryClient, network: Asked) {
  return useAccepted(client, (ballot: Ballot) => sendBallot(network.id, ballot));
}
