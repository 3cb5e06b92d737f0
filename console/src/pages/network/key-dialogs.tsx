// The dialogs of keys. A URL with a new secret is shown once, in the dialog that made it.
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { useCreateKey, useRevokeKey, useRotateKey } from "../../api/keys";
import type { Network, NewEndpointKey } from "../../api/types";
import { createCommand, DEFAULT_KEY, limit, nameError, OVERLAPS, revokeCommand, rotateCommand } from "../../lib/keys";
import { CliLine, CopyButton } from "../../ui/copy";
import { Dialog } from "../../ui/dialog";
import { Failed } from "../../ui/feedback";
import { Field } from "../../ui/field";
import { Icon } from "../../ui/icons";
import { Prose } from "../../ui/prose";
import { Select } from "../../ui/select";
import { toast } from "../../ui/toast";

interface DialogProps {
  network: Network;
  onClose: () => void;
}

export function CreateKeyDialog({ network, taken, onClose }: DialogProps & { taken: readonly string[] }) {
  const create = useCreateKey(useQueryClient(), network);
  const [name, setName] = useState("");
  const [scope, setScope] = useState<"read" | "send">("read");
  const [rateText, setRate] = useState("");
  const [burstText, setBurst] = useState("");
  const [rate, burst] = [limit(rateText), limit(burstText)];
  if (create.isSuccess) return <NewUrlDialog made={create.data} title={`The key ${create.data.key.name} is made`} onClose={onClose} />;
  const wrongName = nameError(name, taken);
  const limits = "number" in rate && "number" in burst ? { rate: rate.number, burst: rate.number === 0 ? 0 : burst.number } : null;
  const ready = name !== "" && wrongName === undefined && limits !== null && !create.isPending;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) create.mutate({ name, scope, ...limits });
  };
  return (
    <Dialog
      title={`Create a key of ${network.name}`}
      onClose={onClose}
      footer={
        <Foot
          command={createCommand(network.name, { name, scope, rate: limits?.rate ?? 0, burst: limits?.burst ?? 0 })}
          onClose={onClose}
          submit={
            <button type="submit" form="key-form" className="button primary" disabled={!ready}>
              Create the key
            </button>
          }
        />
      }
    >
      <form id="key-form" className="form" onSubmit={submit}>
        <Field label="Name" value={name} onChange={setName} error={wrongName} hint="Who or what uses it, such as ci or dashboard" data-autofocus />
        <Select
          label="Allows"
          value={scope}
          onChange={(value) => setScope(value === "send" ? "send" : "read")}
          options={[
            { value: "read", name: "Reading only" },
            { value: "send", name: "Reading and sending transactions" },
          ]}
        />
        <Field label="Rate" unit="calls a second" inputMode="numeric" value={rateText} onChange={setRate} hint="Empty is without limit; a batch counts each of its calls" error={"error" in rate ? rate.error : undefined} />
        <Field label="Burst" unit="calls at once" inputMode="numeric" value={burstText} onChange={setBurst} hint="Empty is as many as the rate" disabled={rateText.trim() === ""} error={"error" in burst ? burst.error : undefined} />
        {create.isError && <Failed error={create.error} what="The key was not made" />}
      </form>
    </Dialog>
  );
}

export function RotateKeyDialog({ network, name, onClose }: DialogProps & { name: string }) {
  const rotate = useRotateKey(useQueryClient(), network);
  const [overlap, setOverlap] = useState("0");
  if (rotate.isSuccess) return <NewUrlDialog made={rotate.data} title={`The key ${name} has another URL`} onClose={onClose} />;
  const overlapS = Number(overlap);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!rotate.isPending) rotate.mutate({ key: name, overlapS });
  };
  return (
    <Dialog
      title={`Rotate the key ${name}?`}
      onClose={onClose}
      footer={
        <Foot
          command={rotateCommand(network.name, name, overlapS)}
          onClose={onClose}
          submit={
            <button type="submit" form="rotate-form" className="button primary" disabled={rotate.isPending}>
              Rotate {name}
            </button>
          }
        />
      }
    >
      <form id="rotate-form" className="form" onSubmit={submit}>
        <p>The key gets another URL. Its name, what it allows and its rate stay.</p>
        <Select
          label="The URL before ends"
          value={overlap}
          onChange={setOverlap}
          options={OVERLAPS}
          hint={overlapS === 0 ? "What is being served with it is cut, open WebSockets too" : "Both work until then"}
        />
        {rotate.isError && <Failed error={rotate.error} what={`${name} was not rotated`} />}
      </form>
    </Dialog>
  );
}

export function RevokeKeyDialog({ network, name, onClose }: DialogProps & { name: string }) {
  const revoke = useRevokeKey(useQueryClient(), network);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (revoke.isPending) return;
    revoke.mutate(name, {
      onSuccess: ({ warnings }) => {
        toast(warnings?.[0] ?? `The key ${name} is revoked`);
        onClose();
      },
    });
  };
  return (
    <Dialog
      title={`Revoke the key ${name}?`}
      onClose={onClose}
      footer={
        <Foot
          command={revokeCommand(network.name, name)}
          onClose={onClose}
          submit={
            <button type="submit" form="revoke-form" className="button danger solid" disabled={revoke.isPending} data-autofocus>
              Revoke {name}
            </button>
          }
        />
      }
    >
      <form id="revoke-form" className="form" onSubmit={submit}>
        <div className="losses">
          <h3>Lost for ever</h3>
          <ul>
            <li>its URL: the next request is refused</li>
            <li>what is being served with it now: it is cut, open WebSockets too</li>
            {name === DEFAULT_KEY && <li>the endpoint shown on this page, until a key of the name {DEFAULT_KEY} is created again</li>}
          </ul>
          <h3>Kept</h3>
          <ul>
            <li>the network, and every other key with its URL</li>
          </ul>
        </div>
        {revoke.isError && <Failed error={revoke.error} what={`${name} was not revoked`} />}
      </form>
    </Dialog>
  );
}

/** The URL, this once. */
function NewUrlDialog({ made, title, onClose }: { made: NewEndpointKey; title: string; onClose: () => void }) {
  const shown = made.url ?? made.secret;
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <div className="dialog-actions">
          <button type="button" className="button primary" onClick={onClose}>
            Done
          </button>
        </div>
      }
    >
      <div className="url">
        <code className="mono" data-testid="new-url">
          {shown}
        </code>
        <CopyButton text={shown} what="URL">
          Copy
        </CopyButton>
      </div>
      <p className="hint">
        {made.key.name === DEFAULT_KEY
          ? "This is the network's endpoint from now on."
          : "It is shown this once: only its hash is kept. Whoever has it can use the network as the key allows."}
      </p>
      {(made.warnings ?? []).map((warning) => (
        <div key={warning} className="notice warn" role="status">
          <Icon name="warning" />
          <div>
            <p>
              <Prose text={warning} />
            </p>
          </div>
        </div>
      ))}
    </Dialog>
  );
}

function Foot({ command, onClose, submit }: { command: string; onClose: () => void; submit: ReactNode }) {
  return (
    <>
      <CliLine command={command} />
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        {submit}
      </div>
    </>
  );
}
