import { describe, expect, it } from "vitest";
import { parseRoute, proposalPath } from "../router";
import { cutLines, readLine } from "./logs";
import { search } from "./palette";
import { identifier, snippets } from "./snippets";

describe("snippets", () => {
  const endpoint = "http://127.0.0.1:41233/n/net-0000000000000000/key";

  it("all hold the endpoint's URL, and a name that is an identifier", () => {
    const all = snippets({ name: "trade-eu", chainId: 7, endpoint, free: true });
    expect(all.map((snippet) => snippet.client)).toEqual(["viem", "ethers", "Hardhat", "Foundry", "curl"]);
    for (const snippet of all) expect(snippet.code, snippet.client).toContain(endpoint);
    expect(identifier("trade-eu-2")).toBe("tradeEu2");
  });
});

describe("logs", () => {
  it("are cut at line ends, whatever the chunks", () => {
    const text = 'one\r\n\n{"a":1}\nrest';
    let rest = "";
    const lines: string[] = [];
    for (const character of text) {
      const cut = cutLines(rest + character);
      rest = cut.rest;
      lines.push(...cut.lines);
    }
    expect({ lines, rest }).toEqual({ lines: ["one", '{"a":1}'], rest: "rest" });
  });

  it("read tracing's JSON and show anything else as it is", () => {
    const line = '{"timestamp":"2026-01-01T00:00:00Z","level":"WARN","fields":{"message":"slow","peer":2}}';
    expect(readLine(line, 1)).toMatchObject({ level: "warn", text: "slow", fields: "peer=2" });
    for (const odd of ["plain", "{broken", "[1]", '{"x":1}']) expect(readLine(odd, 1).text).toBe(odd);
  });
});

describe("the palette", () => {
  const entries = ["Stop trade", "trade", "trade-eu", "Settings"].map((title) => ({ title }));
  const found = (query: string) => search(entries, query).map((entry) => entry.title).join(", ");

  it("puts the whole name before its parts and needs every word", () => {
    expect(found("trade")).toBe("trade, trade-eu, Stop trade");
    expect(found("stop tr")).toBe("Stop trade");
    expect(found("eu")).toBe("trade-eu");
    expect(found("nothing")).toBe("");
  });
});

describe("addresses", () => {
  it("name one page each, and nothing else is a page", () => {
    expect(parseRoute("/")).toEqual({ page: "networks" });
    expect(parseRoute("/networks/trade")).toEqual({ page: "network", name: "trade", tab: "overview", node: null });
    expect(parseRoute("/networks/trade/logs/validator-1")).toMatchObject({ tab: "logs", node: "validator-1" });
    expect(parseRoute("/networks/trade/members")).toMatchObject({ page: "network", tab: "members" });
    expect(parseRoute(proposalPath("trade", 12))).toEqual({ page: "proposal", name: "trade", id: 12 });
    expect(parseRoute("/activity/op-1")).toEqual({ page: "operation", id: "op-1" });
    for (const path of ["/x", "/networks/a/x", "/networks/a/spec/b", "/settings/x", "/a/b/c/d/e", "/networks/a/logs/b/c", "/networks/a/members/b", "/networks/a/proposals", "/networks/a/proposals/0", "/networks/a/proposals/1x"]) {
      expect(parseRoute(path), path).toEqual({ page: "missing" });
    }
  });
});
