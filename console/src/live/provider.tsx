// Joins the event stream and the query cache, and says to the pages how the link is.
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { EVENTS_URL } from "../api/client";
import { goneNetworks, keepOperation, keys } from "../api/queries";
import type { Event, Network, Operation, Proposal } from "../api/types";
import { connect } from "./connection";
import { applyToNetworks, changesHoldings, decides, networkOf, readEvent } from "./reduce";
import type { Link, StreamMessage } from "./stream";

export interface LinkState {
  link: Link;
  sinceMs: number;
}

const LinkContext = createContext<LinkState>({ link: "connecting", sinceMs: 0 });

export function useLink(): LinkState {
  return useContext(LinkContext);
}

/** At most one fetch of a network's blocks in this time, however fast its tip moves. */
const BLOCKS_PAUSE_MS = 400;
/** The same for what the organization has, which most events about networks leave as it is. */
const BUDGET_PAUSE_MS = 2_000;
/** The same for what its members decide, which another platform's members can do with any block. */
const GOVERNANCE_PAUSE_MS = 5_000;

class Applier {
  readonly #waiting = new Map<string, number>();

  constructor(private readonly client: QueryClient) {}

  apply(event: Event): void {
    if (event.kind === "network_gone") goneNetworks.add(event.network);
    if (event.kind === "operation") keepOperation(this.client, event.operation);
    const known = this.client.getQueryData<readonly Network[]>(keys.networks);
    if (known) this.client.setQueryData<readonly Network[]>(keys.networks, applyToNetworks(known, event));
    if (event.kind === "operation") this.#keepOutcome(event.operation);
    if (changesHoldings(event)) this.#renew(keys.budget, BUDGET_PAUSE_MS);
    const decided = decides(known ?? [], event) ? networkOf(event) : null;
    if (decided !== null) void this.client.invalidateQueries({ queryKey: keys.governance(decided) });
    if (event.kind === "tip") {
      this.#renew(keys.blocks(event.network), BLOCKS_PAUSE_MS);
      this.#renew(keys.governance(event.network), GOVERNANCE_PAUSE_MS);
    }
    if (event.kind === "network" && event.network.tip) this.#renewIfBehind(event.network);
  }

  /** The proposal as a ballot left it, shown until it is read again. */
  #keepOutcome({ network, ballot }: Operation): void {
    if (ballot) this.client.setQueryData<Proposal>(keys.proposal(network, ballot.proposal.id), ballot.proposal);
  }

  #renewIfBehind(network: Network): void {
    const blocks = this.client.getQueryData<readonly { number: number }[]>(keys.blocks(network.id));
    const shown = blocks?.[0]?.number;
    if (shown !== undefined && network.tip && network.tip.number > shown) this.#renew(keys.blocks(network.id), BLOCKS_PAUSE_MS);
  }

  /** Fetches now and once more after the pause, whatever comes in between. Only what is looked at is fetched. */
  #renew(queryKey: readonly string[], pauseMs: number): void {
    const name = queryKey.join(" ");
    if (this.#waiting.has(name)) return;
    void this.client.invalidateQueries({ queryKey }, { cancelRefetch: false });
    const timer = window.setTimeout(() => {
      this.#waiting.delete(name);
      void this.client.invalidateQueries({ queryKey }, { cancelRefetch: false });
    }, pauseMs);
    this.#waiting.set(name, timer);
  }

  stop(): void {
    for (const timer of this.#waiting.values()) window.clearTimeout(timer);
    this.#waiting.clear();
  }
}

/** Holds the stream while there is a session. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LinkState>({ link: "connecting", sinceMs: Date.now() });

  useEffect(() => {
    const applier = new Applier(client);
    const joinedMs = Date.now();
    const receive = (message: StreamMessage) => {
      if (message.type === "event") {
        const event = readEvent(message.data);
        if (event) applier.apply(event);
        return;
      }
      setState({ link: message.link, sinceMs: message.sinceMs });
      if (message.link === "unauthenticated") client.setQueryData(keys.session, "none");
      // What was fetched before the stream began, or while it was lost, may lack a change.
      if (message.link === "live" && (message.healed || message.sinceMs >= joinedMs)) {
        void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] });
      }
    };
    const connection = connect(EVENTS_URL, receive);
    const unsubscribe = client.getQueryCache().subscribe((event) => {
      const ended = event.query.queryKey[0] === keys.session[0] && event.query.state.data === "none";
      if (ended) connection.close();
    });
    return () => {
      unsubscribe();
      applier.stop();
      connection.leave();
    };
  }, [client]);

  return <LinkContext value={state}>{children}</LinkContext>;
}
