// A state: a mark of its own shape, and its word. Never colour alone.
import type { StateLabel, Tone } from "../lib/networks";

const SHAPES: Record<Tone, React.ReactNode> = {
  good: <circle cx="6" cy="6" r="4" className="fill" />,
  busy: (
    <>
      <circle cx="6" cy="6" r="4" className="line faint" />
      <path d="M6 2a4 4 0 0 1 4 4" className="line turn" />
    </>
  ),
  open: (
    <>
      <circle cx="6" cy="6" r="4" className="line" />
      <circle cx="6" cy="6" r="1.6" className="fill" />
    </>
  ),
  warn: <path d="M6 1.6 11 10.4H1L6 1.6Z" className="fill" />,
  bad: <rect x="2.4" y="2.4" width="7.2" height="7.2" rx="1" transform="rotate(45 6 6)" className="fill" />,
  asleep: <path d="M10.8 7.6A4.9 4.9 0 0 1 4.4 1.2a5.1 5.1 0 1 0 6.4 6.4Z" className="fill" />,
  off: <circle cx="6" cy="6" r="3.5" className="line" />,
};

export function Dot({ tone }: { tone: Tone }) {
  return (
    <svg className={`dot tone-${tone}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {SHAPES[tone]}
    </svg>
  );
}

export function State({ label }: { label: StateLabel }) {
  return (
    <span className="state">
      <Dot tone={label.tone} />
      <span>{label.word}</span>
    </span>
  );
}

export function Badge({ label }: { label: StateLabel }) {
  return (
    <span className={`badge tone-${label.tone}`}>
      <Dot tone={label.tone} />
      {label.word}
    </span>
  );
}
