import { describe, expect, it } from "vitest";
import type { OrganizationBudget } from "../api/types";
import { network, node } from "../testing";
import { fillOf, formatMib, holdings, lifeWords, rateWords, quotaCommand, quotaError, quotaForm } from "./budget";
import { diskLimit, diskWarning, limitWords, memoryLimit, nodeShares, processorLimit } from "./limits";

const MIB = 1_048_576;
const budget = (quota: OrganizationBudget["quota"]): OrganizationBudget => ({
  organization: "org-0000000000000000",
  quota,
  used: { networks: 12, nodes: 48, memory_mib: 3072, disk_mib: 512, requests_this_hour: 7 },
});
const words = (quota: OrganizationBudget["quota"]) => holdings(budget(quota)).map((one) => `${one.heldText} of ${one.limitText}: ${one.fill}. ${one.words}`);

describe("quotas", () => {
  it("say what is left", () => {
    expect(words({ networks: 200, nodes: 50, memory_mib: 4096, disk_mib: 204_800 })).toEqual([
      "12 of 200: calm. 188 left.",
      "48 of 50: near. 2 left.",
      "3 GiB of 4 GiB: calm. 1 GiB left.",
      "512 MiB of 200 GiB: calm. 200 GiB left.",
    ]);
  });

  it("say what it means that nothing is left, or less, or that there is no limit", () => {
    expect(words({ networks: 12, nodes: 40, disk_mib: 512 })).toEqual([
      "12 of 12: full. Nothing left: another network is refused.",
      "48 of 40: full. 8 above it: what is there stays, and no node more is created.",
      "3 GiB of no limit: calm. Limited by the machine alone.",
      "512 MiB of 512 MiB: full. Nothing left: above it, nothing more is created or started.",
    ]);
    expect(fillOf(0, 0)).toBe("full");
    expect(lifeWords({})).toContain("without an end");
    expect(lifeWords({ longest_ttl_s: 604_800 })).toContain("7 days at most");
    expect(rateWords({})).toContain("Not limited");
    expect(rateWords({ requests_per_s: 10_000 })).toContain("10,000 a second at all endpoints together");
  });

  it("are changed by a command that names only what changes", () => {
    const quota = { networks: 200, disk_mib: 204_800, longest_ttl_s: 86_400 };
    const form = quotaForm(quota);
    expect(form).toEqual({ networks: "200", nodes: "", memory_mib: "", disk_mib: "204800", longest_ttl_s: "1d", requests_per_s: "" });
    expect(quotaCommand(quota, form)).toBeNull();
    expect(quotaCommand(quota, { ...form, networks: "20", disk_mib: "", longest_ttl_s: "7 d" })).toBe("windlass quota set --networks 20 --disk none --longest-ttl 7d");
    expect(quotaCommand(quota, { ...form, requests_per_s: "500" })).toBe("windlass quota set --requests 500");
    expect([quotaError("requests_per_s", "0"), quotaError("requests_per_s", "1")].map((error) => error === undefined)).toEqual([false, true]);
    expect(quotaCommand(quota, { ...form, networks: "many" })).toBeNull();
    expect([quotaError("nodes", "-1"), quotaError("longest_ttl_s", "7"), quotaError("nodes", "0"), quotaError("nodes", "")].map((error) => error === undefined)).toEqual([false, false, true, true]);
  });
});

describe("limits of nodes", () => {
  const limited = network({
    nodes: [node({ name: "validator-0", resident_bytes: 64 * MIB, disk_bytes: 95 * MIB }), node({ name: "validator-1", disk_bytes: 100 * MIB }), node({ name: "validator-2" })],
    spec: { ...network().spec, node_limits: { memory_mib: 256, disk_mib: 100 } },
  });

  it("stand beside what each node has", () => {
    expect(nodeShares(limited, 7).map(({ name, memory, disk }) => [name, memory?.words, disk?.words, disk?.fill])).toEqual([
      ["validator-0", "64 MiB of 256 MiB", "95 MiB of 100 MiB", "near"],
      ["validator-1", undefined, "100 MiB of 100 MiB", "full"],
      ["validator-2", undefined, undefined, undefined],
    ]);
    expect(nodeShares(limited, 1).map(({ name }) => name)).toEqual(["validator-1"]);
  });

  it("are said to be none where they are", () => {
    const free = { ...limited, spec: { ...limited.spec, node_limits: { disk_mib: 0, cpu_millis: 0 } } };
    expect([memoryLimit(free.spec.node_limits), diskLimit(free.spec.node_limits), processorLimit(free.spec.node_limits)]).toEqual(["512 MiB", "none", "none"]);
    expect([diskLimit({}), processorLimit({ cpu_millis: 1500 }), formatMib(10_240), formatMib(0.2), formatMib(0)]).toEqual(["10 GiB", "1.5 cores", "10 GiB", "< 1 MiB", "0 MiB"]);
    expect(limitWords(free.spec.node_limits)).toBe("A node may have 512 MiB of memory, the disk without a limit, processor time without a limit.");
    expect(limitWords({ cpu_millis: 500 })).toBe("A node may have 512 MiB of memory, 10 GiB on disk, processor time of 0.5 cores.");
    expect(nodeShares(free, 7)[1]?.disk).toMatchObject({ of: null, words: "100 MiB", fill: "calm" });
    expect(diskWarning(free)).toBeNull();
  });

  it("are told before they are reached, with what to do", () => {
    expect(diskWarning(limited)?.words).toMatch(/^validator-1: the disk limit is reached.*node_limits\.disk_mib/);
    expect(diskWarning({ ...limited, nodes: limited.nodes.slice(0, 1) })?.words).toMatch(/^validator-0: nine tenths/);
    expect(diskWarning(network())).toBeNull();
  });
});
