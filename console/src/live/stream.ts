// The one event stream: an EventSource that heals. The browser itself resumes a connection that broke
// (with Last-Event-ID); where it gives up, because the platform answered with an error, the stream is
// opened again with growing pauses. The first opening after a loss is announced as such, so that the
// pages fetch what they may have missed.

export type Link = "connecting" | "live" | "lost" | "unauthenticated";

export type StreamMessage =
  | { type: "link"; link: Link; sinceMs: number; healed: boolean }
  | { type: "event"; data: string };

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const KINDS = ["network", "network_gone", "operation", "tip"] as const;

export class Stream {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #everLive = false;
  #last: StreamMessage = { type: "link", link: "connecting", sinceMs: Date.now(), healed: false };

  constructor(
    private readonly url: string,
    private readonly emit: (message: StreamMessage) => void,
  ) {}

  /** What the link is now, for a tab that joins. */
  get current(): StreamMessage {
    return this.#last;
  }

  open(): void {
    if (this.#source !== null && this.#source.readyState !== EventSource.CLOSED) return;
    clearTimeout(this.#timer);
    const source = new EventSource(this.url);
    this.#source = source;
    const onEvent = (event: MessageEvent<string>) => this.emit({ type: "event", data: event.data });
    source.onmessage = onEvent;
    for (const kind of KINDS) source.addEventListener(kind, onEvent);
    source.onopen = () => {
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#announce("live");
    };
    source.onerror = () => void this.#failed(source);
  }

  /** Whether there was a stream to close. */
  close(): boolean {
    const open = this.#source !== null;
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#everLive = false;
    this.#last = { type: "link", link: "connecting", sinceMs: Date.now(), healed: false };
    return open;
  }

  async #failed(source: EventSource): Promise<void> {
    if (source !== this.#source) return;
    this.#announce("lost");
    if (source.readyState !== EventSource.CLOSED) return;
    const status = await fetch("/v1/session").then(
      (response) => response.status,
      () => 0,
    );
    if (source !== this.#source) return;
    if (status === 401) {
      this.close();
      this.#announce("unauthenticated");
      return;
    }
    this.#timer = setTimeout(() => this.open(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #announce(link: Link): void {
    if (this.#last.type === "link" && this.#last.link === link) return;
    const healed = link === "live" && this.#everLive;
    if (link === "live") this.#everLive = true;
    this.#last = { type: "link", link, sinceMs: Date.now(), healed };
    this.emit(this.#last);
    // A tab that joins later has missed nothing: it fetches everything itself.
    this.#last = { ...this.#last, healed: false };
  }
}
