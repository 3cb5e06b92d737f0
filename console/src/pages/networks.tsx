// All networks, live: filtered, sorted and walked from the keyboard.
import { type KeyboardEvent, useEffect, useRef } from "react";
import { useNetworks } from "../api/queries";
import type { Network } from "../api/types";
import { useNow } from "../lib/clock";
import { endSign, isOver } from "../lib/ending";
import { formatBytes, plural } from "../lib/format";
import {
  filterNetworks, formatSort, memoryBytes, parseSort, runningNodes, type Sort, type SortKey, sortNetworks, stateLabel,
  toggleSort, validatorCount,
} from "../lib/networks";
import { Link, networkPath, setSearch, useSearch } from "../router";
import { CliButton, CliLine } from "../ui/copy";
import { Empty, Failed, Skeleton } from "../ui/feedback";
import { Icon } from "../ui/icons";
import { PageHead } from "../ui/page";
import { useShell } from "../ui/shell-context";
import { State } from "../ui/state";
import { Age, Ticking } from "../ui/time";

export function NetworksPage() {
  const networks = useNetworks();
  const { openCreate } = useShell();
  const some = networks.data !== undefined && networks.data.length > 0;
  const actions = some && (
    <div className="joined">
      <button type="button" className="button primary" onClick={openCreate}>
        <Icon name="plus" />
        New network
      </button>
      <CliButton command="windlass network create NAME --validators 4" />
    </div>
  );
  return (
    <>
      <PageHead title="Networks" aside={some && <span className="count muted">{networks.data.length}</span>} actions={actions} />
      {networks.isPending && <Skeleton rows={5} label="networks" />}
      {networks.isError && (
        <Failed error={networks.error} what="The networks could not be read" onRetry={() => void networks.refetch()} />
      )}
      {networks.data && !some && <NoNetworks onCreate={openCreate} />}
      {some && <NetworkList networks={networks.data} />}
    </>
  );
}

function NoNetworks({ onCreate }: { onCreate: () => void }) {
  return (
    <Empty title="A network of four validators is ready in about a second.">
      <button type="button" className="button primary large" onClick={onCreate}>
        <Icon name="plus" />
        Create a network
      </button>
      <CliLine command="windlass network create trade --validators 4" />
    </Empty>
  );
}

function NetworkList({ networks }: { networks: readonly Network[] }) {
  const search = useSearch();
  const filter = search.get("q") ?? "";
  const sort = parseSort(search.get("sort"));
  const shown = sortNetworks(filterNetworks(networks, filter), sort);
  return (
    <>
      <Filter value={filter} shown={shown.length} all={networks.length} />
      {shown.length === 0 ? (
        <Empty title={`No network matches “${filter}”.`}>
          <button type="button" className="button" onClick={() => setSearch({ q: "" })}>
            Show all
          </button>
        </Empty>
      ) : (
        <NetworkTable networks={shown} sort={sort} />
      )}
    </>
  );
}

function Filter({ value, shown, all }: { value: string; shown: number; all: number }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const press = (event: globalThis.KeyboardEvent) => {
      const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
      if (event.key !== "/" || typing || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
  const press = (event: KeyboardEvent) => {
    if (event.key === "Escape") setSearch({ q: "" });
    if (event.key === "ArrowDown") {
      event.preventDefault();
      document.querySelector<HTMLElement>("tbody a.row-link")?.focus();
    }
  };
  return (
    <div className="filter">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label="Filter networks"
        placeholder="Filter by name, state, chain id…"
        value={value}
        onKeyDown={press}
        onChange={(event) => setSearch({ q: event.target.value })}
      />
      <kbd>/</kbd>
      <span className="visually-hidden" role="status">
        {value === "" ? "" : `${shown} of ${plural(all, "network")}`}
      </span>
    </div>
  );
}

const COLUMNS: readonly { key: SortKey; name: string; className: string }[] = [
  { key: "state", name: "State", className: "col-state" },
  { key: "height", name: "Height", className: "col-number" },
  { key: "nodes", name: "Nodes", className: "col-number wide" },
  { key: "memory", name: "Memory", className: "col-number wide" },
  { key: "created", name: "Created", className: "col-number wide" },
];

interface NetworkTableProps {
  networks: readonly Network[];
  sort: Sort;
}

function NetworkTable({ networks, sort }: NetworkTableProps) {
  const walk = (event: KeyboardEvent<HTMLTableSectionElement>) => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (step === undefined || event.metaKey || event.ctrlKey) return;
    const links = [...event.currentTarget.querySelectorAll<HTMLElement>("a.row-link")];
    const next = links[links.findIndex((link) => link === document.activeElement) + step];
    event.preventDefault();
    next?.focus();
  };
  return (
    <table className="table networks">
      <caption className="visually-hidden">Networks; arrow keys move between rows</caption>
      <thead>
        <tr>
          <SortHead sort={sort} column={{ key: "name", name: "Name", className: "col-name" }} />
          {COLUMNS.map((column) => (
            <SortHead key={column.key} sort={sort} column={column} />
          ))}
        </tr>
      </thead>
      <tbody onKeyDown={walk}>
        {networks.map((network) => (
          <NetworkRow key={network.id} network={network} />
        ))}
      </tbody>
    </table>
  );
}

function SortHead({ column, sort }: { column: { key: SortKey; name: string; className: string }; sort: Sort }) {
  const active = sort.key === column.key;
  const order = sort.direction === "asc" ? "ascending" : "descending";
  return (
    <th scope="col" className={column.className} aria-sort={active ? order : undefined}>
      <button type="button" className="sort" onClick={() => setSearch({ sort: formatSort(toggleSort(sort, column.key)) })}>
        {column.name}
        <span className={active ? "sort-mark" : "sort-mark idle"}>
          <Icon name={active && sort.direction === "asc" ? "up" : "down"} />
        </span>
      </button>
    </th>
  );
}

/** Said in the list only where it is near. */
function EndSign({ network }: { network: Network }) {
  const sign = endSign(network, useNow());
  return sign === null ? null : <span className={`sub ${isOver(network) ? "tone-bad" : "tone-warn"}`}>{sign}</span>;
}

function NetworkRow({ network }: { network: Network }) {
  const memory = memoryBytes(network);
  const running = runningNodes(network);
  const validators = validatorCount(network);
  return (
    <tr>
      <th scope="row" className="col-name">
        <Link to={networkPath(network.name)} className="row-link">
          {network.name}
        </Link>
        <span className="sub muted mono">{network.spec.chain_id}</span>
      </th>
      <td className="col-state">
        <State label={stateLabel(network)} />
        <EndSign network={network} />
      </td>
      <td className="col-number">
        <Ticking value={network.tip?.number} />
      </td>
      <td className="col-number wide">
        <span className="number">
          {running === validators ? validators : `${running} of ${validators}`}
        </span>
      </td>
      <td className="col-number wide">
        <span className="number">{memory === null ? "–" : formatBytes(memory)}</span>
      </td>
      <td className="col-number wide muted">
        <Age atMs={network.created_at_ms} />
      </td>
    </tr>
  );
}
