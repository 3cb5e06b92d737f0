// Ctrl/⌘ K: any object and any action, from the keyboard.
import { useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { type LifeChange, useLifeChange, useNetworks } from "../api/queries";
import { toProblem } from "../api/problem";
import type { Network } from "../api/types";
import { endOf } from "../lib/ending";
import { capitalise } from "../lib/format";
import { askedWords, verbsOf } from "../lib/life";
import { sentence, stateLabel } from "../lib/networks";
import { type Entry, search } from "../lib/palette";
import { setTheme } from "../lib/theme";
import { navigate, networkPath } from "../router";
import { useModal } from "./dialog";
import { Icon } from "./icons";
import { Dot } from "./state";
import { toast } from "./toast";

interface PaletteProps {
  onClose: () => void;
  onCreate: () => void;
}

export function Palette({ onClose, onCreate }: PaletteProps) {
  const dialog = useModal(onClose);
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const listId = useId();
  const { entries, tones } = useEntries(onCreate);
  const found = useMemo(() => search(entries, query), [entries, query]);
  const selected = Math.min(at, found.length - 1);

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [selected, query]);

  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setAt((selected + step + found.length) % Math.max(1, found.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(found[selected]);
    }
  };

  return (
    <dialog ref={dialog} className="palette" aria-label="Search or run">
      <div className="palette-input">
        <Icon name="search" />
        <input
          data-autofocus
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={found[selected] ? `${listId}-${selected}` : undefined}
          aria-label="Search networks and actions"
          placeholder="A network, an action…"
          value={query}
          spellCheck={false}
          autoComplete="off"
          onKeyDown={press}
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
        />
        <kbd>Esc</kbd>
      </div>
      <ul role="listbox" id={listId} aria-label="Found" ref={list} className="palette-list">
        {found.map((entry, index) => (
          <li
            key={entry.id}
            id={`${listId}-${index}`}
            role="option"
            aria-selected={index === selected}
            onPointerMove={() => setAt(index)}
            onClick={() => run(entry)}
          >
            <span className="palette-mark">{entry.group === "Networks" ? <Dot tone={tones.get(entry.id) ?? "off"} /> : <Icon name="chevron" />}</span>
            <span className="palette-title">{entry.title}</span>
            <span className="palette-detail muted">{entry.detail}</span>
            {entry.command !== undefined && <code className="mono muted palette-command">{entry.command}</code>}
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="palette-none muted">Nothing is called that.</p>}
    </dialog>
  );
}

function useEntries(onCreate: () => void) {
  const client = useQueryClient();
  const networks = useNetworks().data;
  const change = useLifeChange(client).mutateAsync;
  return useMemo(() => {
    const known = networks ?? [];
    const act = (asked: LifeChange) => {
      change(asked).then(
        () => toast(askedWords(asked.verb, asked.name)),
        (error: unknown) => toast(sentence(toProblem(error).detail)),
      );
    };
    const entries: Entry[] = [
      ...known.map(networkEntry),
      ...generalEntries(onCreate),
      ...known.flatMap((network) => networkActions(network, act)),
    ];
    const tones = new Map(known.map((network) => [network.id, stateLabel(network).tone]));
    return { entries, tones };
  }, [networks, onCreate, change]);
}

function networkEntry(network: Network): Entry {
  return {
    id: network.id,
    group: "Networks",
    title: network.name,
    detail: stateLabel(network).word,
    run: () => navigate(networkPath(network.name)),
  };
}

function generalEntries(onCreate: () => void): Entry[] {
  return [
    { id: "create", group: "Actions", title: "New network", command: "windlass network create", run: onCreate },
    { id: "networks", group: "Go to", title: "Networks", command: "windlass network ls", run: () => navigate("/networks") },
    { id: "activity", group: "Go to", title: "Activity", run: () => navigate("/activity") },
    { id: "budget", group: "Go to", title: "Budget", detail: "quotas", command: "windlass quota show", run: () => navigate("/budget") },
    { id: "settings", group: "Go to", title: "Settings", run: () => navigate("/settings") },
    { id: "light", group: "Actions", title: "Light theme", run: () => setTheme("light") },
    { id: "dark", group: "Actions", title: "Dark theme", run: () => setTheme("dark") },
    { id: "system", group: "Actions", title: "Theme of the system", run: () => setTheme("system") },
  ];
}

function networkActions(network: Network, act: (asked: LifeChange) => void): Entry[] {
  const { id, name } = network;
  const action = (verb: string, title: string, run: () => void): Entry => ({
    id: `${id}-${verb}`,
    group: "Actions",
    title: `${title} ${name}`,
    command: `windlass network ${verb} ${name}`,
    run,
  });
  const entries = verbsOf(network).map((verb) => action(verb, capitalise(verb), () => act({ verb, name })));
  if (endOf(network)) entries.push(action("extend", "Extend", () => navigate(`${networkPath(name)}?extend=ask`)));
  if (network.state !== "destroying") {
    entries.push(action("destroy", "Destroy", () => navigate(`${networkPath(name)}?destroy=ask`)));
  }
  entries.push(action("members", "Members of", () => navigate(networkPath(name, "members"))));
  entries.push(action("logs", "Logs of", () => navigate(networkPath(name, "logs"))));
  return entries;
}
