import { describe, expect, it } from "vitest";
import { member, validator } from "../testing";
import {
  actionOf, changesOf, consequences, proposeCommand, reasonError, reference, requestOf, settleCommand, shellWord, type Subject, voicesAfter, voteCommand,
} from "./proposing";

const acme = member();
const beta = member({ id: 2, organization: "beta" });
const ofBeta = { id: 2, organization: "beta" };
const validators = [validator(), validator({ id: 2, name: "validator-1" }), validator({ id: 3, name: "validator-2", member: ofBeta })];
const roll = { members: [acme, beta], validators };
const about = (change: Parameters<typeof validator>[0] = {}): Subject => ({ role: "validator", validator: validator(change) });
const ofMember = (change: Parameters<typeof member>[0] = {}): Subject => ({ role: "member", member: member(change) });

describe("a proposal about somebody", () => {
  it("is what its state allows", () => {
    expect(changesOf(about())).toEqual(["suspend", "remove"]);
    expect(changesOf(ofMember({ state: "suspended" }))).toEqual(["resume", "remove"]);
  });

  it("names whom it is about, and who makes it, by id", () => {
    expect(actionOf(ofMember({ id: 7 }), "remove")).toEqual({ action: "remove_member", member: 7 });
    expect(requestOf({ subject: about(), change: "suspend", member: beta, reason: "" })).toEqual({
      as: 2,
      actions: [{ action: "suspend_validator", validator: 1 }],
    });
    expect(requestOf({ subject: about(), change: "resume", member: beta, reason: "well" }).reason).toBe("well");
  });

  it("has a reason of 256 bytes at most", () => {
    expect(reasonError("é".repeat(128))).toBeUndefined();
    expect(reasonError("é".repeat(128) + "x")).toContain("257 bytes");
  });
});

describe("the command that does the same", () => {
  it("says who, what and why", () => {
    const draft = { subject: about(), change: "suspend", member: acme, reason: "too slow" } as const;
    expect(proposeCommand("trade", draft, roll)).toBe("windlass network propose trade --as acme suspend-validator validator-0 --reason 'too slow'");
    expect(proposeCommand("trade", { ...draft, subject: ofMember(), reason: "", member: null }, roll)).toBe(
      "windlass network propose trade --as MEMBER --print suspend-member acme",
    );
    expect(voteCommand("trade", { id: 3 }, "no", beta, roll.members)).toBe("windlass network vote trade 3 no --as beta");
    expect(settleCommand("trade", { id: 3 }, beta, roll.members)).toBe("windlass network settle trade 3 --as beta");
  });

  it("is safe to paste, whatever others call themselves", () => {
    expect(shellWord("0x12/a.b")).toBe("0x12/a.b");
    for (const odd of ["", "-f", "a b", "$(reboot)", "a;b", "`x`", "a\nb"]) expect(shellWord(odd), odd).toBe(`'${odd}'`);
    expect(shellWord("it's")).toBe("'it'\\''s'");
    const named = (name: string) => reference({ id: 9, name }, [{ name }, { name: "other" }]);
    expect(["validator-0", "7", "-f", "a; reboot", "other"].map(named)).toEqual(["validator-0", "9", "9", "9", "9"]);
  });
});

describe("what comes of it", () => {
  it("counts the validators that have a vote", () => {
    const voices = (subject: Subject, change: "suspend" | "resume" | "remove", of = roll) => voicesAfter(subject, change, of);
    expect(voices(about(), "suspend")).toEqual({ before: 3, after: 2 });
    expect(voices({ role: "member", member: acme }, "remove")).toEqual({ before: 3, after: 1 });
    const off = validator({ id: 4, state: "suspended", active: false });
    const more = { ...roll, validators: [...validators, off] };
    expect(voices(about(off), "remove", more)).toEqual({ before: 3, after: 3 });
    expect(voices(about(off), "resume", more)).toEqual({ before: 3, after: 4 });
    const suspended = { members: [member({ state: "suspended" }), beta], validators: [validator({ active: false }), off] };
    expect(voices(about(off), "resume", suspended)).toEqual({ before: 0, after: 0 });
    expect(voices({ role: "member", member: acme }, "resume", suspended)).toEqual({ before: 0, after: 1 });
  });

  it("says what is lost, what is kept and what comes back", () => {
    const seated = { validators: [{ id: 1, name: "v" }], observers: [] };
    for (const subject of [about(), ofMember(seated)]) {
      for (const change of ["suspend", "remove"] as const) {
        const { lost, kept, back } = consequences("trade", subject, change);
        expect([lost.length > 0, kept.length > 0, back.length], `${subject.role} ${change}`).toEqual([true, true, 0]);
      }
      expect(consequences("trade", subject, "resume").back.length).toBeGreaterThan(0);
    }
    expect(consequences("trade", about(), "remove").kept.join()).toContain("windlass network node rm trade validator-0");
    expect(consequences("trade", about({ node_name: null }), "remove").kept.join()).toContain("whoever runs it");
    expect(consequences("trade", ofMember(seated), "remove").lost.join()).toContain("its 1 validator, with keys");
  });
});
