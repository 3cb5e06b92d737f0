// When the network's time is over: one line while that is far, a warning with what to do when it is near or over.
import { useNow } from "../../lib/clock";
import type { End, Network } from "../../api/types";
import { afterExtending, endOf } from "../../lib/ending";
import { formatDuration } from "../../lib/format";
import { formatMinute } from "../../lib/time-span";
import { setSearch, useSearch } from "../../router";
import { CliButton } from "../../ui/copy";
import { Icon } from "../../ui/icons";
import { Moment } from "../../ui/time";
import { ExtendDialog } from "./extend";

export function EndOf({ network }: { network: Network }) {
  const asked = useSearch().get("extend") === "ask";
  const end = endOf(network);
  if (end === null) return null;
  return (
    <>
      {end.stage === "ahead" ? <FarEnd name={network.name} end={end} /> : <NearEnd network={network} end={end} />}
      {asked && <ExtendDialog network={network} end={end} onClose={() => setSearch({ extend: "" })} />}
    </>
  );
}

function ExtendButton({ name, look }: { name: string; look: "primary" | "" }) {
  return (
    <div className="joined">
      <button type="button" className={`button ${look}`} onClick={() => setSearch({ extend: "ask" })}>
        <Icon name="clock" />
        Extend…
      </button>
      <CliButton command={`windlass network extend ${name} --by 1d`} />
    </div>
  );
}

function FarEnd({ name, end }: { name: string; end: End }) {
  return (
    <section className="end-line" aria-label="End" data-testid="end">
      <p>
        Ends <Moment atMs={end.at_ms} />, <span className="muted">on {formatMinute(end.at_ms)}.</span>
      </p>
      <ExtendButton name={name} look="" />
    </section>
  );
}

function NearEnd({ network, end }: { network: Network; end: End }) {
  const over = end.stage === "over";
  return (
    <section className={`notice ${over ? "bad" : "warn"}`} aria-label="End" data-testid="end">
      <Icon name="clock" />
      <div>
        {over ? <OverWords name={network.name} end={end} /> : <SoonWords name={network.name} end={end} />}
        <div className="notice-actions">
          <ExtendButton name={network.name} look={over ? "primary" : ""} />
        </div>
      </div>
    </section>
  );
}

function SoonWords({ name, end }: { name: string; end: End }) {
  const overdue = useNow() >= end.at_ms;
  return (
    <>
      <p>
        <strong>
          {overdue ? "Its time ended " : `${name} ends `}
          <Moment atMs={end.at_ms} />
        </strong>
        , on {formatMinute(end.at_ms)}.
      </p>
      <p className="muted">
        It is stopped then and kept for {formatDuration(end.destroyed_at_ms - end.at_ms)}; after that it is destroyed, unless it is extended.
      </p>
    </>
  );
}

function OverWords({ name, end }: { name: string; end: End }) {
  return (
    <>
      <p>
        <strong>
          {name} is destroyed <Moment atMs={end.destroyed_at_ms} />
        </strong>
        , on {formatMinute(end.destroyed_at_ms)}, unless it is extended before.
      </p>
      <p className="muted">
        Its time was over on {formatMinute(end.at_ms)}, and it was stopped. {afterExtending(end)}
      </p>
    </>
  );
}
