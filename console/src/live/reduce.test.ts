import { describe, expect, it } from "vitest";
import type { Event } from "../api/types";
import { network, operation } from "../testing";
import { applyToNetworks, changesHoldings, decides, mergeNetworks, newerOperation, readEvent, upsertOperation } from "./reduce";

const tip = (number: number) => ({ number, hash: `0x${number}` });
const event = (body: object): Event => {
  const read = readEvent(JSON.stringify({ at_ms: 1, ...body }));
  if (read === null) throw new Error("the test's event is not one");
  return read;
};

describe("events", () => {
  it("that are not understood change nothing", () => {
    for (const data of ["", "{", "null", "7", '{"kind":"later"}', '{"kind":"network","network":null}', '{"kind":"tip","network":"a"}']) {
      expect(readEvent(data), data).toBeNull();
    }
  });

  it("bring networks in, renew them and take them away", () => {
    const added = applyToNetworks([], event({ kind: "network", network: network() }));
    expect(added).toHaveLength(1);
    const stopped = applyToNetworks(added, event({ kind: "network", network: network({ state: "stopped", resource_version: 2 }) }));
    expect(stopped[0]?.state).toBe("stopped");
    expect(applyToNetworks(stopped, event({ kind: "network_gone", network: network().id }))).toEqual([]);
    expect(applyToNetworks(stopped, event({ kind: "network", network: network({ state: "gone" }) }))).toEqual([]);
  });

  it("that come late do not turn a network back", () => {
    const now = [network({ state: "stopped", resource_version: 5 })];
    const late = applyToNetworks(now, event({ kind: "network", network: network({ resource_version: 4 }) }));
    expect(late[0]?.state).toBe("stopped");
  });

  it("move a final tip forward only", () => {
    const now = [network({ tip: tip(7) })];
    const heights = [8, 6, 8].map((number) => applyToNetworks(now, event({ kind: "tip", network: now[0]?.id, tip: tip(number) }))[0]?.tip?.number);
    expect(heights).toEqual([8, 7, 8]);
    const renewed = applyToNetworks(now, event({ kind: "network", network: network({ tip: tip(3), resource_version: 9 }) }));
    expect(renewed[0]).toMatchObject({ resource_version: 9, tip: tip(7) });
    const same = applyToNetworks(now, event({ kind: "tip", network: "another", tip: tip(9) }));
    expect(same[0]).toBe(now[0]);
  });
});

describe("what the organization has", () => {
  it("may be something else after an operation or a network's end, and not with every tick", () => {
    expect(changesHoldings(event({ kind: "operation", operation: operation() }))).toBe(true);
    expect(changesHoldings(event({ kind: "network_gone", network: network().id }))).toBe(true);
    expect(changesHoldings(event({ kind: "network", network: network() }))).toBe(false);
    expect(changesHoldings(event({ kind: "tip", network: network().id, tip: tip(3) }))).toBe(false);
  });
});

describe("what members decide", () => {
  const about = (change: object) => decides([network()], event(change));

  it("is asked for again when an operation of theirs ends", () => {
    for (const kind of ["propose", "vote", "settle", "add_observer"] as const) {
      expect(about({ kind: "operation", operation: operation({ kind, state: "succeeded" }) }), kind).toBe(true);
      expect(about({ kind: "operation", operation: operation({ kind }) }), kind).toBe(false);
    }
    expect(about({ kind: "operation", operation: operation({ kind: "start", state: "succeeded" }) })).toBe(false);
  });

  it("is asked for again when nodes act by it, or can be asked again", () => {
    const changed = (change: Parameters<typeof network>[0]) => about({ kind: "network", network: network(change) });
    expect(changed({ resource_version: 2, tip: tip(9), health: "degraded" })).toBe(false);
    expect(changed({ voting_validators: 3 })).toBe(true);
    expect(changed({ nodes: network().nodes.slice(1) })).toBe(true);
    expect(changed({ state: "stopped", nodes: [] })).toBe(false);
    expect(changed({ intent: "sleeping" })).toBe(false);
    expect(changed({ state: "sleeping", intent: "sleeping", nodes: [] })).toBe(false);
    const stopped = [network({ state: "stopped" })];
    expect(decides(stopped, event({ kind: "network", network: network() }))).toBe(true);
    expect(decides([network({ state: "starting" })], event({ kind: "network", network: network() }))).toBe(true);
    const silent = [network({ health: "unavailable" })];
    expect(decides(silent, event({ kind: "network", network: network({ health: "degraded" }) }))).toBe(true);
    expect(changed({ health: "unavailable", voting_validators: 3 })).toBe(false);
    expect(decides([], event({ kind: "network", network: network() }))).toBe(true);
  });

  it("is not asked for again because of a tick", () => {
    expect(about({ kind: "tip", network: network().id, tip: tip(3) })).toBe(false);
    expect(about({ kind: "network_gone", network: network().id })).toBe(false);
  });
});

describe("an answer that was under way while events came", () => {
  it("neither undoes them nor brings back what is gone", () => {
    const known = [network({ id: "a", state: "stopped", resource_version: 3, tip: tip(9) })];
    const fetched = [network({ id: "a", resource_version: 2, tip: tip(8) }), network({ id: "b" }), network({ id: "c" })];
    const merged = mergeNetworks(known, fetched, new Set(["b"]));
    expect(merged.map((entry) => entry.id)).toEqual(["a", "c"]);
    expect(merged[0]).toMatchObject({ state: "stopped", tip: tip(9) });
  });
});

describe("operations", () => {
  const running = operation({ steps: [{ name: "keys", state: "done" }, { name: "processes", state: "running" }] });
  const done = operation({ state: "succeeded", steps: running.steps.map((step) => ({ ...step, state: "done" as const })) });

  it("only go forward", () => {
    expect(newerOperation(operation(), running)).toBe(running);
    expect(newerOperation(running, operation())).toBe(running);
    expect(newerOperation(done, running)).toBe(done);
  });

  it("stand newest first, each once", () => {
    const later = operation({ id: "op-2", created_at_ms: 2_000 });
    const list = upsertOperation(upsertOperation([running], later), done);
    expect(list.map((entry) => [entry.id, entry.state])).toEqual([
      ["op-2", "running"],
      ["op-0000000000000000", "succeeded"],
    ]);
  });
});
