import { describe, expect, it } from "vitest";
import { network, node } from "../testing";
import {
  filterNetworks, formatSort, memoryBytes, parseSort, sortNetworks, stateLabel, toggleSort, toleratedFaults, why,
} from "./networks";

describe("a network in words", () => {
  it("shows health only where the state is usable", () => {
    expect(stateLabel({ state: "usable", health: "degraded" })).toEqual({ tone: "warn", word: "Degraded" });
    expect(stateLabel({ state: "usable", health: "unavailable" })).toEqual({ tone: "bad", word: "Unavailable" });
    expect(stateLabel({ state: "stopped", health: "unavailable" })).toEqual({ tone: "off", word: "Stopped" });
    expect(stateLabel({ state: "creating", health: "unknown" })).toEqual({ tone: "busy", word: "Creating" });
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
  ];
  const names = (sort: string) => sortNetworks(list, parseSort(sort)).map((entry) => entry.name).join(" ");

  it("sorts numbers as numbers and puts trouble first", () => {
    expect(names("height")).toBe("delta gamma beta alpha");
    expect(names("-height")).toBe("alpha beta delta gamma");
    expect(names("state")).toBe("delta alpha beta gamma");
    expect(names("nonsense")).toBe("beta delta gamma alpha");
  });

  it("keeps the sort in one word of the address", () => {
    for (const text of ["name", "-height", "-memory"]) expect(formatSort(parseSort(text))).toBe(text);
    expect(formatSort(toggleSort(parseSort("-height"), "height"))).toBe("height");
    expect(formatSort(toggleSort(parseSort("name"), "height"))).toBe("-height");
  });

  it("filters by every word", () => {
    const found = (filter: string) => filterNetworks(list, filter).map((entry) => entry.name).join(" ");
    expect(found("")).toBe("beta alpha gamma delta");
    expect(found("STOP")).toBe("gamma");
    expect(found("usable alp")).toBe("alpha");
    expect(found("424242 zeta")).toBe("");
  });
});
