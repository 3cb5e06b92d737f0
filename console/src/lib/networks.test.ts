import { describe, expect, it } from "vitest";
import type { OperationKind } from "../api/types";
import { network, node, operation } from "../testing";
import {
  filterNetworks, formatSort, memoryBytes, operationTitle, parseSort, sortNetworks, stateLabel, toggleSort, toleratedFaults, why,
} from "./networks";

describe("a network in words", () => {
  it("shows health only where the state is usable", () => {
    expect(stateLabel(network({ health: "degraded" }))).toEqual({ tone: "warn", word: "Degraded" });
    expect(stateLabel(network({ health: "unavailable" }))).toEqual({ tone: "bad", word: "Unavailable" });
    expect(stateLabel(network({ state: "stopped", health: "unavailable" }))).toEqual({ tone: "off", word: "Stopped" });
    expect(stateLabel(network({ health: "unknown" }))).toEqual({ tone: "warn", word: "Not heard from" });
    expect(stateLabel(network({ state: "creating", health: "unknown" }))).toEqual({ tone: "busy", word: "Creating" });
  });

  it("tells a network that sleeps from one that is stopped, on the way there and back too", () => {
    expect(stateLabel(network({ state: "sleeping", intent: "sleeping", health: "unknown" }))).toEqual({ tone: "asleep", word: "Asleep" });
    expect(stateLabel(network({ state: "stopping", intent: "sleeping" })).word).toBe("Falling asleep");
    expect(stateLabel(network({ state: "stopping", intent: "stopped" })).word).toBe("Stopping");
    expect(stateLabel(network({ state: "starting", operation_kind: "wake" })).word).toBe("Waking");
    expect(stateLabel(network({ state: "starting", operation_kind: "start" })).word).toBe("Starting");
    expect(stateLabel(network({ state: "starting" })).word).toBe("Starting");
    const waking = [network({ id: "a", state: "starting" }), network({ id: "b", state: "starting", operation_kind: "wake" })];
    expect(filterNetworks(waking, "waking").map(({ id }) => id)).toEqual(["b"]);
    expect(why(network({ state: "sleeping", intent: "sleeping" })).message).toContain("the next request to its URL wakes it");
    expect(why(network({ state: "stopping", intent: "stopped" })).message).not.toContain("wakes");
  });

  it("says when it falls asleep, unless it is kept awake", () => {
    const { spec } = network();
    const after = (sleep_after_s: number) => ({ spec: { ...spec, sleep_after_s } });
    expect(why(network(after(1800))).remedy).toBe("Falls asleep after 30 min without a request.");
    expect(why(network(after(0))).remedy).toBeUndefined();
    expect(why(network()).remedy).toBeUndefined();
    expect(why(network({ ...after(1800), health: "degraded" })).remedy).toBeUndefined();
  });

  it("names operations", () => {
    const titled = (kind: OperationKind) => operationTitle(operation({ kind }));
    expect((["sleep", "wake", "vote", "add_nodes"] as const).map(titled)).toEqual(["Sleep trade", "Wake trade", "Vote in trade", "Add nodes in trade"]);
  });

  it("says the platform's reason first, before its own words", () => {
    const reason = { code: "workload_failed" as const, message: "validator-2 ended", remedy: "it is restarted in 2 s", since_ms: 0 };
    expect(why(network({ reason }))).toMatchObject({ message: reason.message, remedy: reason.remedy });
  });

  it("counts faults as BFT does", () => {
    expect([1, 2, 3, 4, 6, 7, 10].map(toleratedFaults)).toEqual([0, 0, 0, 1, 1, 2, 3]);
    expect(why(network()).message).toBe("All 4 validators finalise; 1 fault is tolerated.");
    const nodes = [node(), node({ state: "failed" }), node(), node()];
    expect(why(network({ health: "degraded", nodes })).message).toBe("3 of 4 validators run; a quorum is there and blocks go on.");
  });

  it("sums the memory that is known", () => {
    expect(memoryBytes(network())).toBeNull();
    expect(memoryBytes(network({ nodes: [node({ resident_bytes: 10 }), node(), node({ resident_bytes: 5 })] }))).toBe(15);
  });
});

describe("a list of networks", () => {
  const list = [
    network({ id: "a", name: "beta", tip: { number: 9, hash: "0x" }, created_at_ms: 3 }),
    network({ id: "b", name: "alpha", tip: { number: 10, hash: "0x" }, created_at_ms: 1 }),
    network({ id: "c", name: "gamma", state: "stopped", created_at_ms: 2 }),
    network({ id: "d", name: "delta", health: "unavailable", created_at_ms: 2 }),
    network({ id: "e", name: "epsilon", state: "sleeping", intent: "sleeping", created_at_ms: 0 }),
  ];
  const names = (sort: string) => sortNetworks(list, parseSort(sort)).map((entry) => entry.name).join(" ");

  it("sorts numbers as numbers and puts trouble first", () => {
    expect(names("height")).toBe("delta epsilon gamma beta alpha");
    expect(names("-height")).toBe("alpha beta delta epsilon gamma");
    expect(names("state")).toBe("delta alpha beta epsilon gamma");
    expect(names("nonsense")).toBe("beta delta gamma alpha epsilon");
  });

  it("keeps the sort in one word of the address", () => {
    for (const text of ["name", "-height", "-memory"]) expect(formatSort(parseSort(text))).toBe(text);
    expect(formatSort(toggleSort(parseSort("-height"), "height"))).toBe("height");
    expect(formatSort(toggleSort(parseSort("name"), "height"))).toBe("-height");
  });

  it("filters by every word", () => {
    const found = (filter: string) => filterNetworks(list, filter).map((entry) => entry.name).join(" ");
    expect(found("")).toBe("beta alpha gamma delta epsilon");
    expect(found("STOP")).toBe("gamma");
    expect(found("sleep")).toBe("epsilon");
    expect(found("usable alp")).toBe("alpha");
    expect(found("424242 zeta")).toBe("");
  });
});
