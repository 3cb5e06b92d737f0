// A tab's side of the stream: through the SharedWorker where there is one, else a stream of its own.
import type { TabMessage } from "./shared.worker";
import { Stream, type StreamMessage } from "./stream";

export interface Connection {
  /** Ends the stream of every tab: the session is over. */
  close(): void;
  /** This tab listens no longer. */
  leave(): void;
}

export function connect(url: string, receive: (message: StreamMessage) => void): Connection {
  if (typeof SharedWorker === "undefined") return connectAlone(url, receive);
  const worker = new SharedWorker(new URL("./shared.worker.ts", import.meta.url), {
    type: "module",
    name: "windlass-events",
  });
  const send = (message: TabMessage) => worker.port.postMessage(message);
  worker.port.onmessage = (message: MessageEvent<StreamMessage>) => receive(message.data);
  send({ type: "open", url });
  const leave = () => send({ type: "leave" });
  const resume = (event: PageTransitionEvent) => {
    if (event.persisted) send({ type: "open", url });
  };
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", resume);
  return {
    close: () => send({ type: "close" }),
    leave: () => {
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", resume);
      leave();
      worker.port.onmessage = null;
    },
  };
}

function connectAlone(url: string, receive: (message: StreamMessage) => void): Connection {
  const stream = new Stream(url, receive);
  stream.open();
  return { close: () => void stream.close(), leave: () => void stream.close() };
}
