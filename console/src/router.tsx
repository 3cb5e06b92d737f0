// Addresses of the console. Every page has one that can be shared and reloaded.
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";

export const TABS = ["overview", "members", "operations", "logs", "spec"] as const;
export type Tab = (typeof TABS)[number];

export type Route =
  | { page: "login" }
  | { page: "networks" }
  | { page: "network"; name: string; tab: Tab; node: string | null }
  | { page: "proposal"; name: string; id: number }
  | { page: "activity" }
  | { page: "budget" }
  | { page: "operation"; id: string }
  | { page: "settings" }
  | { page: "missing" };

export function parseRoute(pathname: string): Route {
  const [first, second, third, fourth, ...more] = pathname.split("/").filter((part) => part !== "").map(decode);
  if (more.length > 0) return { page: "missing" };
  if (first === undefined) return { page: "networks" };
  if (first === "networks" && second !== undefined) return networkRoute(second, third, fourth);
  if (first === "networks") return { page: "networks" };
  if (first === "activity" && third === undefined) {
    return second === undefined ? { page: "activity" } : { page: "operation", id: second };
  }
  if (second !== undefined) return { page: "missing" };
  return first === "login" || first === "budget" || first === "settings" ? { page: first } : { page: "missing" };
}

function networkRoute(name: string, tab: string | undefined, node: string | undefined): Route {
  if (tab === "proposals") return proposalRoute(name, node);
  const known = TABS.find((candidate) => candidate === (tab ?? "overview"));
  if (known === undefined || (node !== undefined && known !== "logs")) return { page: "missing" };
  return { page: "network", name, tab: known, node: node ?? null };
}

function proposalRoute(name: string, id: string | undefined): Route {
  return id !== undefined && /^[1-9]\d{0,14}$/.test(id) ? { page: "proposal", name, id: Number(id) } : { page: "missing" };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function networkPath(name: string, tab: Tab = "overview", node?: string): string {
  const base = `/networks/${encodeURIComponent(name)}`;
  if (tab === "overview") return base;
  return node === undefined ? `${base}/${tab}` : `${base}/${tab}/${encodeURIComponent(node)}`;
}

export function proposalPath(name: string, id: number): string {
  return `${networkPath(name)}/proposals/${id}`;
}

export function operationPath(id: string): string {
  return `/activity/${encodeURIComponent(id)}`;
}

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

function announce(): void {
  for (const listener of listeners) listener();
}

export function navigate(path: string): void {
  if (path === window.location.pathname + window.location.search) return;
  window.history.pushState(null, "", path);
  announce();
}

/** Changes the address without a step in the history. */
export function replacePath(path: string): void {
  window.history.replaceState(null, "", path);
  announce();
}

/** The path alone: a change of the query renders no other page. */
export function usePathname(): string {
  return useSyncExternalStore(subscribe, () => window.location.pathname);
}

export function useSearch(): URLSearchParams {
  const search = useSyncExternalStore(subscribe, () => window.location.search);
  return new URLSearchParams(search);
}

/** Sets query parameters in place; an empty value removes its parameter. */
export function setSearch(changes: Record<string, string>): void {
  const search = new URLSearchParams(window.location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") search.delete(key);
    else search.set(key, value);
  }
  const text = search.toString();
  replacePath(window.location.pathname + (text === "" ? "" : `?${text}`));
}

type LinkProps = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> & { to: string };

/** A link inside the console. With a modifier key it is the browser's. */
export function Link({ to, onClick, ...rest }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !plain) return;
    event.preventDefault();
    navigate(to);
  };
  return <a {...rest} href={to} onClick={follow} />;
}
