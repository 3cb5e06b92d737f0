// Things to copy: a button, a hash, a CLI line, a block of code.
import { Fragment, useEffect, useRef, useState } from "react";
import { shortenHash } from "../lib/format";
import { Icon, type IconName } from "./icons";
import { toast } from "./toast";

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text);
  }
}

/** For pages that are no secure context, such as an address in a local network. */
function writeBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** Copies and says so, for as long as the eye needs. */
export function useCopy(): { copied: boolean; copy: (text: string, what: string) => void } {
  const [copied, setCopied] = useState(false);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const copy = (text: string, what: string) => {
    void write(text).then((done) => {
      toast(done ? `Copied ${what}` : `Could not copy ${what}: the browser refused`);
      setCopied(done);
      window.clearTimeout(timer.current);
      timer.current = window.setTimeout(() => setCopied(false), 1500);
    });
  };
  return { copied, copy };
}

interface CopyButtonProps {
  text: string;
  /** What is copied, for the label: `endpoint`. */
  what: string;
  icon?: IconName;
  children?: React.ReactNode;
  className?: string;
}

export function CopyButton({ text, what, icon = "copy", children, className = "" }: CopyButtonProps) {
  const { copied, copy } = useCopy();
  const label = children === undefined ? { "aria-label": `Copy ${what}`, title: `Copy ${what}` } : {};
  return (
    <button
      type="button"
      className={`button ghost ${children === undefined ? "square" : ""} ${className}`}
      onClick={() => copy(text, what)}
      {...label}
    >
      <Icon name={copied ? "check" : icon} />
      {children}
    </button>
  );
}

/** A hash or address, shortened in the middle, copied in one click. */
export function Hash({ value, what, long = false }: { value: string; what: string; long?: boolean }) {
  const { copied, copy } = useCopy();
  const text = long ? shortenHash(value, 14, 12) : shortenHash(value);
  return (
    <button
      type="button"
      className={`hash mono ${long ? "long " : ""}${copied ? "copied" : ""}`}
      title={`${value} — click to copy`}
      aria-label={`Copy ${what} ${text}`}
      onClick={() => copy(value, what)}
    >
      {text}
    </button>
  );
}

/** The CLI command that does the same. */
export function CliLine({ command, label = "The same on the command line" }: { command: string; label?: string }) {
  return (
    <div className="cli" role="group" aria-label={label}>
      <span className="prompt" aria-hidden="true">
        $
      </span>
      <code className="mono">
        {command.split(" ").map((word, index) => (
          <Fragment key={index}>
            {index > 0 && " "}
            <span className="word">{word}</span>
          </Fragment>
        ))}
      </code>
      <CopyButton text={command} what="command" />
    </div>
  );
}

/** The small terminal button beside an action: copies the command that does the same. */
export function CliButton({ command }: { command: string }) {
  const { copied, copy } = useCopy();
  return (
    <button
      type="button"
      className="button square cli-button"
      title={`Copy the command: ${command}`}
      aria-label={`Copy the command ${command}`}
      onClick={() => copy(command, `“${command}”`)}
    >
      <Icon name={copied ? "check" : "terminal"} />
    </button>
  );
}

export function CodeBlock({ code, what }: { code: string; what: string }) {
  return (
    <div className="code">
      <pre tabIndex={0} aria-label={what}>
        <code className="mono">{code}</code>
      </pre>
      <CopyButton text={code} what={what} className="corner" />
    </div>
  );
}
