// How quotas are changed: by the operator, with the platform's token, which no session of the console has. The
// dialog writes the command.
import { useState } from "react";
import type { Quota } from "../api/types";
import { QUOTA_FIELDS, quotaCommand, quotaError, quotaForm, type QuotaForm } from "../lib/budget";
import { CliLine } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";

const FIELDS: Record<keyof Quota, { label: string; unit?: string; hint?: string }> = {
  networks: { label: "Networks", hint: "In whatever state." },
  nodes: { label: "Nodes", hint: "Of all networks." },
  memory_mib: { label: "Memory", unit: "MiB", hint: "Of what runs." },
  disk_mib: { label: "Disk", unit: "MiB", hint: "Of all nodes." },
  requests_per_s: { label: "Requests a second", hint: "At all endpoints together; of a batch, every call." },
  longest_ttl_s: { label: "Longest life", hint: "Such as 7d; also what one gets that asks for no end." },
};

export function QuotaDialog({ quota, onClose }: { quota: Quota; onClose: () => void }) {
  const [form, setForm] = useState<QuotaForm>(quotaForm(quota));
  const command = quotaCommand(quota, form);
  return (
    <Dialog
      title="Change the quotas"
      onClose={onClose}
      footer={
        <>
          {command === null ? <p className="muted">The command stands here once a limit is another one.</p> : <CliLine command={command} label="The command that changes them" />}
          <div className="dialog-actions">
            <button type="button" className="button" onClick={onClose}>
              Done
            </button>
          </div>
        </>
      }
    >
      <p>
        Quotas are the operator's: they are changed with the platform's token, on its machine, and no session of the console has that. Say here what
        they are to be, and run the command there. What is above a quota then stays.
      </p>
      <div className="form grid-2">
        {QUOTA_FIELDS.map((field) => (
          <Field
            key={field}
            {...FIELDS[field]}
            value={form[field]}
            onChange={(value) => setForm((before) => ({ ...before, [field]: value }))}
            placeholder="no limit"
            error={quotaError(field, form[field])}
            inputMode={field === "longest_ttl_s" ? "text" : "numeric"}
          />
        ))}
      </div>
    </Dialog>
  );
}
