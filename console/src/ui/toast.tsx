// Short words about what just happened, spoken to screen readers too. They go by themselves.
import { useSyncExternalStore } from "react";
import { Marked } from "./prose";

interface Toast {
  id: number;
  text: string;
}

const SHOWN_MS = 3_500;
let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function toast(text: string): void {
  const id = nextId++;
  set([...toasts.slice(-2), { id, text }]);
  window.setTimeout(() => set(toasts.filter((shown) => shown.id !== id)), SHOWN_MS);
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((entry) => (
        <div key={entry.id} className="toast">
          <Marked text={entry.text} />
        </div>
      ))}
    </div>
  );
}
