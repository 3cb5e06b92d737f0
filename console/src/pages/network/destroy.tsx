// Before a destroy: what goes, what stays, and the name typed by hand.
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useDestroyNetwork } from "../../api/queries";
import type { Network } from "../../api/types";
import { formatNumber, plural } from "../../lib/format";
import { validatorCount } from "../../lib/networks";
import { navigate, operationPath } from "../../router";
import { CliLine } from "../../ui/copy";
import { Dialog } from "../../ui/dialog";
import { Failed } from "../../ui/feedback";
import { Field } from "../../ui/field";

export function DestroyDialog({ network, onClose }: { network: Network; onClose: () => void }) {
  const client = useQueryClient();
  const destroy = useDestroyNetwork(client);
  const [typed, setTyped] = useState("");
  const { name } = network;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed !== name || destroy.isPending) return;
    destroy.mutate(name, {
      onSuccess: ({ operation }) => {
        onClose();
        navigate(operation ? operationPath(operation.id) : "/networks");
      },
    });
  };
  return (
    <Dialog
      title={`Destroy ${name}?`}
      onClose={onClose}
      footer={
        <>
          <CliLine command={`windlass network destroy ${name}`} />
          <div className="dialog-actions">
            <button type="button" className="button" onClick={onClose}>
              Keep it
            </button>
            <button type="submit" form="destroy-form" className="button danger solid" disabled={typed !== name || destroy.isPending}>
              Destroy {name}
            </button>
          </div>
        </>
      }
    >
      <Losses network={network} />
      <form id="destroy-form" className="form" onSubmit={submit}>
        <Field label={`Type ${name} to confirm`} value={typed} onChange={setTyped} data-autofocus />
        {destroy.isError && <Failed error={destroy.error} what={`${name} was not destroyed`} />}
      </form>
    </Dialog>
  );
}

function Losses({ network }: { network: Network }) {
  const nodes = network.nodes.length || validatorCount(network);
  return (
    <div className="losses">
      <h3>Lost for ever</h3>
      <ul>
        <li>the chain{network.tip ? ` with all ${formatNumber(network.tip.number)} blocks` : ""}, its accounts and contracts</li>
        <li>
          {plural(nodes, "node")} with their processes, ports, directories and logs
        </li>
        <li>{plural(nodes * 2, "private key")} of the validators</li>
        <li>the endpoint: its URL answers no more</li>
      </ul>
      <h3>Kept</h3>
      <ul>
        <li>the record of this operation, with the release receipt: every thing that existed, verified gone</li>
      </ul>
    </div>
  );
}
