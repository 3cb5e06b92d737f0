// Puts the network's end off: by a time, until a date, or for ever.
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useExtend } from "../../api/budgets";
import type { End, Network } from "../../api/types";
import { useNow } from "../../lib/clock";
import { afterExtending, type Checked, checkExtension, endsThen, type ExtendForm, extendCommand, extendedWords } from "../../lib/ending";
import { formatMinute, localText } from "../../lib/time-span";
import { CliLine } from "../../ui/copy";
import { Dialog } from "../../ui/dialog";
import { Failed } from "../../ui/feedback";
import { Field } from "../../ui/field";
import { Moment } from "../../ui/time";
import { toast } from "../../ui/toast";

const HOWS: readonly { how: ExtendForm["how"]; name: string }[] = [
  { how: "by", name: "By a time" },
  { how: "until", name: "Until a date" },
  { how: "forever", name: "For ever" },
];

const DAY_MS = 86_400_000;
/** The latest moment that a date can be. */
const LATEST_MS = 8.64e15;

export function ExtendDialog({ network, end, onClose }: { network: Network; end: End; onClose: () => void }) {
  const { name } = network;
  const extend = useExtend(useQueryClient());
  const now = useNow();
  const [form, setForm] = useState<ExtendForm>({ how: "by", by: "1d", until: localText(Math.max(end.at_ms, now) + DAY_MS) });
  const set = (change: Partial<ExtendForm>) => {
    extend.reset();
    setForm((before) => ({ ...before, ...change }));
  };
  const checked = checkExtension(form);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if ("error" in checked || extend.isPending) return;
    const { extension } = checked;
    extend.mutate(
      { name, extension },
      {
        onSuccess: (accepted) => {
          toast(extendedWords(accepted));
          onClose();
        },
      },
    );
  };
  return (
    <Dialog
      title={`Extend ${name}`}
      onClose={onClose}
      footer={
        <>
          <CliLine command={extendCommand(name, form)} />
          <div className="dialog-actions">
            <button type="button" className="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" form="extend-form" className="button primary" disabled={"error" in checked || extend.isPending}>
              Extend {name}
            </button>
          </div>
        </>
      }
    >
      <form id="extend-form" className="form" onSubmit={submit} noValidate>
        <How form={form} set={set} error={"error" in checked ? checked.error : undefined} />
        <Then end={end} checked={checked} nowMs={now} />
        {extend.isError && <Failed error={extend.error} what={`${name} was not extended`} />}
      </form>
    </Dialog>
  );
}

interface HowProps {
  form: ExtendForm;
  set: (change: Partial<ExtendForm>) => void;
  error: string | undefined;
}

function How({ form, set, error }: HowProps) {
  return (
    <>
      <fieldset className="field">
        <legend>How</legend>
        <div className="segments">
          {HOWS.map(({ how, name }) => (
            <button key={how} type="button" className="segment" aria-pressed={form.how === how} onClick={() => set({ how })}>
              {name}
            </button>
          ))}
        </div>
      </fieldset>
      {form.how === "by" && (
        <Field label="So much longer" value={form.by} onChange={(by) => set({ by })} error={error} hint="Such as 30m, 2h or 7d; from now on if its time is over." data-autofocus />
      )}
      {form.how === "until" && (
        <Field label="Until" type="datetime-local" value={form.until} onChange={(until) => set({ until })} error={error} hint="In this browser's time zone." />
      )}
    </>
  );
}

/** What is now, and what would be then. */
function Then({ end, checked, nowMs }: { end: End; checked: Checked; nowMs: number }) {
  const then = "error" in checked ? undefined : endsThen(end, checked.extension, nowMs);
  const after = afterExtending(end);
  return (
    <div className="then">
      <p className="hint">
        {end.stage === "over" ? "Its time was over on" : "Its end so far:"} {formatMinute(end.at_ms)}.
      </p>
      {then !== undefined && (then === null || (then > nowMs && then <= LATEST_MS)) && (
        <p>
          {then === null ? (
            "Then it lives until somebody destroys it."
          ) : (
            <>
              Then it ends <Moment atMs={then} />, on {formatMinute(then)}.
            </>
          )}
        </p>
      )}
      {after !== null && <p className="hint">{after}</p>}
    </div>
  );
}
