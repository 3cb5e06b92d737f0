// The frame of every page: where one is, how the link is, and the palette.
import { type ReactNode, useEffect, useState } from "react";
import { ORGANIZATION } from "../api/client";
import { CreateDialog } from "../pages/create";
import { useLink } from "../live/provider";
import { Link, type Route } from "../router";
import { Icon, type IconName, Mark } from "./icons";
import { Palette } from "./palette";
import { ShellContext } from "./shell-context";
import { Dot } from "./state";
import { ThemeSwitch } from "./theme-switch";
import { useNow } from "../lib/clock";
import { formatAge } from "../lib/format";

const AREAS: readonly { path: string; name: string; icon: IconName; pages: readonly Route["page"][] }[] = [
  { path: "/networks", name: "Networks", icon: "networks", pages: ["networks", "network", "proposal"] },
  { path: "/activity", name: "Activity", icon: "activity", pages: ["activity", "operation"] },
  { path: "/budget", name: "Budget", icon: "gauge", pages: ["budget"] },
  { path: "/settings", name: "Settings", icon: "settings", pages: ["settings"] },
];

const MAC = /mac|iphone|ipad/i.test(navigator.userAgent);

export function Shell({ route, children }: { route: Route; children: ReactNode }) {
  const [overlay, setOverlay] = useState<"palette" | "create" | null>(null);
  const close = () => setOverlay(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey))) return;
      event.preventDefault();
      setOverlay((open) => (open === "palette" ? null : open === null ? "palette" : open));
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);

  return (
    <ShellContext value={{ openCreate: () => setOverlay("create") }}>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <div className="shell">
        <Sidebar route={route} onSearch={() => setOverlay("palette")} />
        <div className="column">
          <LinkBanner />
          <main id="main" tabIndex={-1}>
            {children}
          </main>
        </div>
      </div>
      {overlay === "palette" && <Palette onClose={close} onCreate={() => setOverlay("create")} />}
      {overlay === "create" && <CreateDialog onClose={close} />}
    </ShellContext>
  );
}

function Sidebar({ route, onSearch }: { route: Route; onSearch: () => void }) {
  return (
    <header className="sidebar">
      <div className="brand">
        <Link to="/networks" className="brand-link" aria-label="Windlass, networks">
          <Mark />
          <span className="brand-name">Windlass</span>
        </Link>
        <span className="organization" title="Organization">
          {ORGANIZATION}
        </span>
      </div>
      <button type="button" className="search" onClick={onSearch} aria-keyshortcuts="Control+K Meta+K">
        <Icon name="search" />
        <span>Search or run</span>
        <kbd aria-hidden="true">{MAC ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <nav className="areas" aria-label="Areas">
        {AREAS.map((area) => (
          <Link
            key={area.path}
            to={area.path}
            className="area"
            aria-current={area.pages.includes(route.page) ? "page" : undefined}
          >
            <Icon name={area.icon} />
            <span>{area.name}</span>
          </Link>
        ))}
      </nav>
      <div className="sidebar-foot">
        <LinkState />
        <ThemeSwitch compact />
      </div>
    </header>
  );
}

function LinkState() {
  const { link } = useLink();
  const words = { live: "Live", connecting: "Connecting", lost: "Reconnecting", unauthenticated: "Logged out" } as const;
  const tones = { live: "good", connecting: "busy", lost: "warn", unauthenticated: "off" } as const;
  return (
    <span className="link-state" role="status">
      <Dot tone={tones[link]} />
      {words[link]}
    </span>
  );
}

/** Said only when the loss lasts: a stream that heals within the blink of an eye is no news. */
function LinkBanner() {
  const { link, sinceMs } = useLink();
  return link === "lost" ? <LostBanner sinceMs={sinceMs} /> : null;
}

function LostBanner({ sinceMs }: { sinceMs: number }) {
  const now = useNow();
  if (now - sinceMs < 1500) return null;
  return (
    <div className="banner" role="alert">
      <Dot tone="warn" />
      <span>
        The platform does not answer<span aria-hidden="true"> (lost {formatAge(sinceMs, now)})</span>. What you see is as it
        was then; the console reconnects by itself.
      </span>
    </div>
  );
}
