import { describe, expect, it } from "vitest";
import type { Condition } from "../api/types";
import { conditionWords, faultWords, findings } from "./conditions";

function condition(change: Partial<Condition>): Condition {
  return { type: "Usable", status: "true", reason: "AsExpected", message: "all is well", gravity: "none", since_ms: 1, ...change };
}

describe("conditions", () => {
  it("are findings where something is wrong, the gravest first", () => {
    const all = [
      condition({}),
      condition({ type: "DiskSpace", status: "false", reason: "DiskLow", gravity: "warning" }),
      condition({ type: "QuorumPresent", status: "false", reason: "Silent", gravity: "critical", nodes: ["validator-0"] }),
      condition({ type: "ValidatorsVote", status: "false", reason: "Silent", gravity: "critical", nodes: ["validator-0"] }),
      condition({ type: "NodesInStep", status: "false", reason: "CatchingUp" }),
    ];
    expect(findings(all).map((one) => one.type)).toEqual(["QuorumPresent", "DiskSpace"]);
    expect(findings(undefined)).toEqual([]);
  });

  it("have a type in words", () => {
    expect(conditionWords("NodesRunning")).toBe("Nodes running");
    expect(conditionWords("Usable")).toBe("Usable");
  });

  it("say whose fault it is, and with which nodes", () => {
    expect(faultWords({ fault: "machine", nodes: ["validator-0", "validator-2"] })).toBe("the machine (validator-0, validator-2)");
    expect(faultWords({ fault: "operator" })).toBe("whoever runs this platform");
    expect(faultWords({})).toBeNull();
  });
});
