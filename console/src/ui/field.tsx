// A labelled input with its hint and its error.
import { type InputHTMLAttributes, useId } from "react";

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange" | "value"> {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  error?: string | undefined;
  unit?: string;
}

export function Field({ label, value, onChange, hint, error, unit, className = "", ...input }: FieldProps) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = error ?? hint;
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <div className="input">
        <input
          {...input}
          id={id}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          aria-invalid={error !== undefined}
          aria-describedby={note === undefined ? undefined : noteId}
          autoComplete="off"
          spellCheck={false}
        />
        {unit !== undefined && <span className="unit">{unit}</span>}
      </div>
      {note !== undefined && (
        <p id={noteId} className={error === undefined ? "hint" : "hint error"}>
          {note}
        </p>
      )}
    </div>
  );
}
