// Declaring a network: a form, then its steps live, then the network's page.
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { useBudget } from "../api/budgets";
import { toProblem } from "../api/problem";
import { useCreateNetwork, useNetworks, useOperation } from "../api/queries";
import type { Accepted } from "../api/types";
import {
  checkForm, type CreateForm, createCommand, EMPTY_FORM, type FieldErrors, SLEEP_CHOICES, toManifest, toToml, validatorAdvice,
} from "../lib/manifest";
import { spanText } from "../lib/time-span";
import { navigate, networkPath } from "../router";
import { CliLine, CopyButton } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Failed } from "../ui/feedback";
import { Field } from "../ui/field";
import { Icon } from "../ui/icons";
import { Select } from "../ui/select";
import { Steps } from "../ui/steps";
import { toast } from "../ui/toast";

export function CreateDialog({ onClose }: { onClose: () => void }) {
  const [accepted, setAccepted] = useState<Accepted | null>(null);
  return accepted === null ? (
    <FormDialog onClose={onClose} onAccepted={setAccepted} />
  ) : (
    <ProgressDialog accepted={accepted} onClose={onClose} />
  );
}

function FormDialog({ onClose, onAccepted }: { onClose: () => void; onAccepted: (accepted: Accepted) => void }) {
  const client = useQueryClient();
  const create = useCreateNetwork(client);
  const taken = useNetworks().data?.map((network) => network.name) ?? [];
  const [form, setForm] = useState<CreateForm>(EMPTY_FORM);
  const [asked, setAsked] = useState(false);
  const all = checkForm(form, taken);
  const problem = create.error === null ? null : toProblem(create.error);
  const errors = asked ? all : withoutMissing(all, form);
  const set = (change: Partial<CreateForm>) => setForm((before) => ({ ...before, ...change }));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (Object.keys(all).length > 0 || create.isPending) return;
    create.mutate(toManifest(form), { onSuccess: onAccepted });
  };

  return (
    <Dialog
      title="New network"
      onClose={onClose}
      footer={
        <>
          <CliLine command={createCommand(form)} />
          <div className="dialog-actions">
            {createCommand(form).includes(" -f ") && Object.keys(all).length === 0 && (
              <CopyButton text={toToml(toManifest(form))} what={`${form.name}.toml`}>
                Copy {form.name}.toml
              </CopyButton>
            )}
            <button type="button" className="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" form="create-form" className="button primary" disabled={create.isPending}>
              {create.isPending ? "Asking…" : "Create network"}
            </button>
          </div>
        </>
      }
    >
      <form id="create-form" className="form" onSubmit={submit} noValidate>
        <Field
          label="Name"
          value={form.name}
          onChange={(name) => set({ name })}
          hint="Lower-case letters, digits and “-”."
          error={errors.name}
          data-autofocus
          placeholder="trade"
        />
        <Validators value={form.validators} error={errors.validators} onChange={(validators) => set({ validators })} />
        <TimeToLive form={form} errors={errors} set={set} />
        <Advanced form={form} errors={errors} set={set} />
        {problem && <Failed error={create.error} what="The network was not created" />}
      </form>
    </Dialog>
  );
}

/** What is only not filled in yet is no mistake before the form is sent. */
function withoutMissing(errors: FieldErrors, form: CreateForm): FieldErrors {
  return form.name === "" ? { ...errors, name: undefined } : errors;
}

function Validators({ value, error, onChange }: { value: string; error: string | undefined; onChange: (value: string) => void }) {
  const advice = error === undefined ? validatorAdvice(Number(value)) : null;
  return (
    <fieldset className="field validators">
      <legend>Validators</legend>
      <div className="validators-row">
        <div className="segments">
          {["1", "4", "7"].map((count) => (
            <button
              key={count}
              type="button"
              className="segment"
              aria-pressed={value === count}
              aria-label={`${count} validator${count === "1" ? "" : "s"}`}
              onClick={() => onChange(count)}
            >
              {count}
            </button>
          ))}
        </div>
        <div className="input narrow">
          <input
            aria-label="Number of validators"
            aria-describedby="validators-note"
            aria-invalid={error !== undefined}
            type="number"
            min={1}
            max={100}
            inputMode="numeric"
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
        </div>
      </div>
      <p id="validators-note" role="status" className={`hint ${error !== undefined ? "error" : (advice?.level ?? "")}`}>
        {advice?.level === "warning" && <Icon name="warning" />}
        {error ?? advice?.text}
      </p>
    </fieldset>
  );
}

interface AdvancedProps {
  form: CreateForm;
  errors: FieldErrors;
  set: (change: Partial<CreateForm>) => void;
}

/** What the quota says is said before it refuses. */
function TimeToLive({ form, errors, set }: AdvancedProps) {
  const longest = useBudget().data?.quota.longest_ttl_s;
  const hint =
    longest == null
      ? "Such as 2h or 7d: then it is stopped, and later destroyed. Empty is without an end."
      : `Such as 2h; ${spanText(longest)} at most, and if empty: then it is stopped, and later destroyed.`;
  return <Field label="Time to live" value={form.timeToLive} onChange={(timeToLive) => set({ timeToLive })} placeholder={longest == null ? "without an end" : spanText(longest)} hint={hint} error={errors.timeToLive} />;
}

function Advanced({ form, errors, set }: AdvancedProps) {
  return (
    <details className="disclosure">
      <summary>
        <Icon name="chevron" />
        Advanced
      </summary>
      <div className="form grid-2">
        <Field label="Chain id" inputMode="numeric" value={form.chainId} onChange={(chainId) => set({ chainId })} placeholder="random" hint="Unique on this installation." error={errors.chainId} />
        <Field label="Gas limit" inputMode="numeric" value={form.gasLimit} onChange={(gasLimit) => set({ gasLimit })} placeholder="30,000,000" hint="Of a block." unit="gas" error={errors.gasLimit} />
        <Field label="Shortest block time" inputMode="numeric" value={form.blockInterval} onChange={(blockInterval) => set({ blockInterval })} placeholder="100" hint="Blocks are made only when there is work." unit="ms" error={errors.blockInterval} />
        <Fees form={form} errors={errors} set={set} />
        <Select label="Falls asleep after" options={SLEEP_CHOICES} value={form.sleepAfter} onChange={(sleepAfter) => set({ sleepAfter })} hint="The next request to its URL wakes it." />
      </div>
    </details>
  );
}

function Fees({ form, errors, set }: AdvancedProps) {
  return (
    <fieldset className="field">
      <legend>Fees</legend>
      <div className="segments">
        <button type="button" className="segment" aria-pressed={form.fees === "free"} onClick={() => set({ fees: "free" })}>
          Free
        </button>
        <button type="button" className="segment" aria-pressed={form.fees === "eip1559"} onClick={() => set({ fees: "eip1559" })}>
          EIP-1559
        </button>
      </div>
      {form.fees === "free" ? (
        <p className="hint">An account with zero balance can send.</p>
      ) : (
        <Field label="Base fee floor" inputMode="decimal" value={form.floorGwei} onChange={(floorGwei) => set({ floorGwei })} unit="gwei" error={errors.floorGwei} />
      )}
    </fieldset>
  );
}

/** The steps as they are done; at the end the network's page. */
function ProgressDialog({ accepted, onClose }: { accepted: Accepted; onClose: () => void }) {
  const { network } = accepted;
  const operation = useOperation(accepted.operation?.id ?? null);
  const state = accepted.operation ? operation.data?.state : "succeeded";
  useEffect(() => {
    if (state !== "succeeded") return;
    toast(`${network.name} is usable`);
    onClose();
    navigate(networkPath(network.name));
  }, [state, network.name, onClose]);
  const open = () => {
    onClose();
    navigate(networkPath(network.name));
  };
  return (
    <Dialog
      title={state === "running" || state === undefined ? `Creating ${network.name}` : network.name}
      onClose={onClose}
      footer={
        <>
          <p className="muted">It goes on when you close this.</p>
          <div className="dialog-actions">
            <button type="button" className="button" onClick={open} data-autofocus>
              Open {network.name}
            </button>
          </div>
        </>
      }
    >
      {accepted.warnings?.map((warning) => (
        <p key={warning} className="hint warning">
          <Icon name="warning" />
          {warning}
        </p>
      ))}
      {operation.data && <Steps operation={operation.data} />}
      {operation.isError && (
        <Failed error={operation.error} what="The steps could not be read" onRetry={() => void operation.refetch()} />
      )}
    </Dialog>
  );
}
