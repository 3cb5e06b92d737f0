// Times and numbers that move while one looks.
import { useEffect, useRef } from "react";
import { useNow } from "../lib/clock";
import { formatAbsolute, formatAge, formatMoment, formatNumber } from "../lib/format";

/** A relative time, with the absolute one on hover. A clock that is a little ahead is no future. */
export function Age({ atMs }: { atMs: number }) {
  return <Time atMs={atMs} words={formatAge(atMs, useNow())} />;
}

/** The same for a time that may be to come. */
export function Moment({ atMs }: { atMs: number }) {
  return <Time atMs={atMs} words={formatMoment(atMs, useNow())} />;
}

function Time({ atMs, words }: { atMs: number; words: string }) {
  return (
    <time dateTime={new Date(atMs).toISOString()} title={formatAbsolute(atMs)}>
      {words}
    </time>
  );
}

/** A number that lights up when it changes. Digits have one width, so that nothing moves. */
export function Ticking({ value }: { value: number | null | undefined }) {
  const element = useRef<HTMLSpanElement>(null);
  const before = useRef(value);
  useEffect(() => {
    if (before.current === value) return;
    before.current = value;
    const node = element.current;
    if (!node || window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    node.animate([{ color: "var(--accent-text)" }, { color: "inherit" }], { duration: 900, easing: "ease-out" });
  }, [value]);
  return (
    <span ref={element} className="number">
      {value === null || value === undefined ? "–" : formatNumber(value)}
    </span>
  );
}
