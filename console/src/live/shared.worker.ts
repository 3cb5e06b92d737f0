// The stream of all tabs of this browser: a browser opens only six connections to one host, and each
// stream holds one for as long as it lives. The worker ends with the last tab.
import { Stream, type StreamMessage } from "./stream";

export type TabMessage = { type: "open"; url: string } | { type: "close" } | { type: "leave" };

const scope = self as unknown as { onconnect: ((event: MessageEvent) => void) | null };
const ports = new Set<MessagePort>();
let stream: Stream | null = null;

function broadcast(message: StreamMessage): void {
  for (const port of ports) port.postMessage(message);
}

function receive(port: MessagePort, message: TabMessage): void {
  switch (message.type) {
    case "open":
      ports.add(port);
      stream ??= new Stream(message.url, broadcast);
      port.postMessage(stream.current);
      stream.open();
      break;
    case "leave":
      ports.delete(port);
      if (ports.size === 0) stream?.close();
      break;
    case "close":
      if (stream?.close()) {
        broadcast({ type: "link", link: "unauthenticated", sinceMs: Date.now(), healed: false });
      }
      break;
  }
}

scope.onconnect = (event) => {
  const port = event.ports[0];
  if (port) port.onmessage = (message: MessageEvent<TabMessage>) => receive(port, message.data);
};
