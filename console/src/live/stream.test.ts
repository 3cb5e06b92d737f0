import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Stream, type StreamMessage } from "./stream";

class FakeSource {
  static readonly CLOSED = 2;
  static made: FakeSource[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  readonly listeners = new Map<string, (event: { data: string }) => void>();

  constructor(readonly url: string) {
    FakeSource.made.push(this);
  }

  addEventListener(kind: string, listener: (event: { data: string }) => void): void {
    this.listeners.set(kind, listener);
  }

  close(): void {
    this.readyState = FakeSource.CLOSED;
  }

  lives(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  breaks(readyState: number): void {
    this.readyState = readyState;
    this.onerror?.();
  }
}

describe("the event stream", () => {
  let said: StreamMessage[];
  let stream: Stream;
  const links = () => said.flatMap((message) => (message.type === "link" ? [`${message.link}${message.healed ? " healed" : ""}`] : []));
  const newest = () => FakeSource.made[FakeSource.made.length - 1] as FakeSource;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("EventSource", FakeSource);
    FakeSource.made = [];
    said = [];
    stream = new Stream("/events", (message) => said.push(message));
    stream.open();
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const sessionAnswers = (status: number) => vi.stubGlobal("fetch", () => Promise.resolve({ status }));

  it("passes events of every kind on", () => {
    newest().lives();
    newest().listeners.get("tip")?.({ data: "1" });
    newest().onmessage?.({ data: "2" });
    expect(said.filter((message) => message.type === "event")).toEqual([
      { type: "event", data: "1" },
      { type: "event", data: "2" },
    ]);
  });

  it("says when it is lost and when it is healed, and lets the browser reconnect", () => {
    newest().lives();
    newest().breaks(0);
    newest().breaks(0);
    newest().lives();
    expect(links()).toEqual(["live", "lost", "live healed"]);
    expect(FakeSource.made).toHaveLength(1);
    expect(stream.current).toMatchObject({ link: "live", healed: false });
  });

  it("opens again, with growing pauses, where the browser gave up", async () => {
    sessionAnswers(0);
    newest().breaks(FakeSource.CLOSED);
    await vi.advanceTimersByTimeAsync(499);
    expect(FakeSource.made).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeSource.made).toHaveLength(2);
    newest().breaks(FakeSource.CLOSED);
    await vi.advanceTimersByTimeAsync(999);
    expect(FakeSource.made).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeSource.made).toHaveLength(3);
  });

  it("stops where the session is over", async () => {
    sessionAnswers(401);
    newest().lives();
    newest().breaks(FakeSource.CLOSED);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(links()).toEqual(["live", "lost", "unauthenticated"]);
    expect(FakeSource.made).toHaveLength(1);
  });

  it("is opened once, however often it is asked to", () => {
    stream.open();
    stream.open();
    expect(FakeSource.made).toHaveLength(1);
    expect(stream.close()).toBe(true);
    expect(stream.close()).toBe(false);
  });
});
