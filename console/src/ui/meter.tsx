// How much of a limit is taken: a bar whose words stand beside it.
import type { Fill } from "../lib/budget";

interface MeterProps {
  /** What is measured: `Networks`. */
  label: string;
  /** How much, with its units: `12 of 200`. */
  words: string;
  held: number;
  limit: number;
  fill: Fill;
}

export function Meter({ label, words, held, limit, fill }: MeterProps) {
  const share = limit === 0 ? 1 : Math.min(1, held / limit);
  return (
    <span className={`meter ${fill}`} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={Math.max(limit, held)} aria-valuenow={held} aria-valuetext={words}>
      <span className="meter-fill" style={{ width: `${100 * share}%` }} />
    </span>
  );
}
