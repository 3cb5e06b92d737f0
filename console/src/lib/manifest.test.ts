import { describe, expect, it } from "vitest";
import { network } from "../testing";
import { checkForm, createCommand, EMPTY_FORM, nameError, SLEEP_CHOICES, toManifest, toToml, validatorAdvice } from "./manifest";

const form = (change: Partial<typeof EMPTY_FORM>) => ({ ...EMPTY_FORM, name: "trade", ...change });

describe("the create form", () => {
  it("takes the platform's rule for names", () => {
    for (const name of ["trade", "a", "a-1", "a".repeat(40)]) expect(nameError(name), name).toBeNull();
    for (const name of ["", "Trade", "1trade", "-a", "a-", "a b", "ä", "a".repeat(41)]) expect(nameError(name), name).not.toBeNull();
    expect(nameError("trade", ["trade"])).toContain("exists");
  });

  it("refuses what is out of range and only that", () => {
    expect(checkForm(form({}))).toEqual({});
    expect(Object.keys(checkForm(form({ validators: "0" })))).toEqual(["validators"]);
    expect(Object.keys(checkForm(form({ validators: "1000" })))).toEqual(["validators"]);
    expect(Object.keys(checkForm(form({ validators: "2.5" })))).toEqual(["validators"]);
    expect(Object.keys(checkForm(form({ chainId: "9007199254740992" })))).toEqual(["chainId"]);
    expect(Object.keys(checkForm(form({ gasLimit: "999,999" })))).toEqual(["gasLimit"]);
    expect(Object.keys(checkForm(form({ fees: "eip1559", floorGwei: "x" })))).toEqual(["floorGwei"]);
  });

  it("leaves to the platform what was left out", () => {
    expect(toManifest(form({}))).toEqual({ name: "trade", validators: 4 });
    expect(toManifest(form({ gasLimit: "60_000_000", fees: "eip1559", floorGwei: "0.5" }))).toEqual({
      name: "trade",
      validators: 4,
      gas_limit: 60_000_000,
      fees: { policy: "eip1559", floor_wei: 500_000_000 },
    });
    expect(SLEEP_CHOICES.map(({ value }) => toManifest(form({ sleepAfter: value })).sleep_after_s)).toEqual([undefined, 300, 7200, 86_400, 0]);
  });

  it("shows the command that does the same", () => {
    expect(createCommand(form({}))).toBe("windlass network create trade --validators 4");
    expect(createCommand(form({ name: "" }))).toBe("windlass network create NAME --validators 4");
    expect(createCommand(form({ chainId: "7" }))).toBe("windlass network create trade -f trade.toml");
    expect(createCommand(form({ sleepAfter: "0" }))).toBe("windlass network create trade -f trade.toml");
    expect(toToml(toManifest(form({ sleepAfter: "0" })))).toContain("sleep_after_s = 0\n");
  });

  it("takes a time to live as the command line does, and leaves its range to the platform", () => {
    expect(["", "2h", "30s", "0d"].map((timeToLive) => toManifest(form({ timeToLive })).ttl_s)).toEqual([undefined, 7200, 30, 0]);
    expect(["", " 2 h ", "30s"].map((timeToLive) => checkForm(form({ timeToLive })))).toEqual([{}, {}, {}]);
    expect(Object.keys(checkForm(form({ timeToLive: "2" })))).toEqual(["timeToLive"]);
    expect(createCommand(form({ timeToLive: " 2 h" }))).toBe("windlass network create trade --validators 4 --ttl 2h");
    expect(createCommand(form({ timeToLive: "2x" }))).toBe("windlass network create trade --validators 4 --ttl TIME");
    expect(createCommand(form({ timeToLive: "2h", chainId: "7" }))).toBe("windlass network create trade -f trade.toml");
  });

  it("warns where no fault is tolerated", () => {
    expect([2, 3].map((count) => validatorAdvice(count).level)).toEqual(["warning", "warning"]);
    expect([1, 4, 7].map((count) => validatorAdvice(count).level)).toEqual(["note", "note", "note"]);
    expect(validatorAdvice(6).text).toContain("4 would tolerate as many");
  });
});

describe("a spec as TOML", () => {
  it("writes values first and tables last", () => {
    const { spec } = network();
    const toml = toToml({ name: "trade", ...spec, alloc: { "0xaa": { balance: "0x1", storage: { "0x0": "0x2" } } } });
    expect(toml).toContain('name = "trade"\nengine = "windlass"\nkind = "private"\nchain_id = 424_242\n');
    expect(toml).toContain('[fees]\npolicy = "free"\n');
    expect(toml).toContain('[alloc."0xaa"]\nbalance = "0x1"\nstorage = { "0x0" = "0x2" }\n');
    expect(toml).toContain('[[members]]\norganization = "default"\nvalidators = 4\n');
    expect(toml.indexOf("cors_origins = []")).toBeLessThan(toml.search(/^\[/m));
  });
});
