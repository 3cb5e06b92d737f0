// Sleep and wake, stop and start, and destroy, each with its command.
import { useQueryClient } from "@tanstack/react-query";
import { toProblem } from "../../api/problem";
import { useLifeChange } from "../../api/queries";
import type { Network } from "../../api/types";
import { capitalise } from "../../lib/format";
import { lifeCommand, revival, type Verb, verbsOf } from "../../lib/life";
import { sentence } from "../../lib/networks";
import { setSearch } from "../../router";
import { CliButton } from "../../ui/copy";
import { Icon, type IconName } from "../../ui/icons";
import { toast } from "../../ui/toast";

export function NetworkActions({ network }: { network: Network }) {
  const { name, state } = network;
  return (
    <>
      {verbsOf(network).map((verb) => (
        <div key={verb} className="joined">
          <LifeButton name={name} verb={verb} look={verb === revival(network) ? "primary" : ""} />
          <CliButton command={lifeCommand(verb, name)} />
        </div>
      ))}
      {state !== "destroying" && state !== "gone" && (
        <div className="joined">
          <button type="button" className="button danger" onClick={() => setSearch({ destroy: "ask" })}>
            <Icon name="trash" />
            Destroy…
          </button>
          <CliButton command={`windlass network destroy ${name}`} />
        </div>
      )}
    </>
  );
}

const ICONS: Record<Verb, IconName> = { stop: "stop", start: "start", sleep: "moon", wake: "sun" };

interface LifeButtonProps {
  name: string;
  verb: Verb;
  look: "primary" | "";
}

export function LifeButton({ name, verb, look }: LifeButtonProps) {
  const change = useLifeChange(useQueryClient());
  const failed = (error: unknown) => {
    const problem = toProblem(error);
    toast(`${sentence(problem.detail)} ${sentence(problem.hint)}`);
  };
  return (
    <button
      type="button"
      className={`button ${look}`}
      disabled={change.isPending}
      onClick={() => change.mutate({ verb, name }, { onError: failed })}
    >
      <Icon name={ICONS[verb]} />
      {capitalise(verb)}
    </button>
  );
}
