// Stop, start and destroy, each with its command.
import { useQueryClient } from "@tanstack/react-query";
import { toProblem } from "../../api/problem";
import { useStartNetwork, useStopNetwork } from "../../api/queries";
import type { Network } from "../../api/types";
import { sentence } from "../../lib/networks";
import { setSearch } from "../../router";
import { CliButton } from "../../ui/copy";
import { Icon } from "../../ui/icons";
import { toast } from "../../ui/toast";

export function NetworkActions({ network }: { network: Network }) {
  const client = useQueryClient();
  const stop = useStopNetwork(client);
  const start = useStartNetwork(client);
  const failed = (error: unknown) => {
    const problem = toProblem(error);
    toast(`${sentence(problem.detail)} ${sentence(problem.hint)}`);
  };
  const { name, state } = network;
  return (
    <>
      {state === "usable" && (
        <div className="joined">
          <button type="button" className="button" disabled={stop.isPending} onClick={() => stop.mutate(name, { onError: failed })}>
            <Icon name="stop" />
            Stop
          </button>
          <CliButton command={`windlass network stop ${name}`} />
        </div>
      )}
      {state === "stopped" && (
        <div className="joined">
          <button
            type="button"
            className="button primary"
            disabled={start.isPending}
            onClick={() => start.mutate(name, { onError: failed })}
          >
            <Icon name="start" />
            Start
          </button>
          <CliButton command={`windlass network start ${name}`} />
        </div>
      )}
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
