// Icons: 16 px, drawn with the text's colour. They decorate; words or labels stand beside them.
import type { ReactNode } from "react";

const PATHS = {
  networks: (
    <>
      <circle cx="8" cy="3.2" r="1.7" />
      <circle cx="3.2" cy="12" r="1.7" />
      <circle cx="12.8" cy="12" r="1.7" />
      <path d="M7.2 4.8 4 10.4M8.8 4.8 12 10.4M5 12h6" />
    </>
  ),
  activity: <path d="M1.5 8.5h3l2-5.5 3.2 10 2-4.5h2.8" />,
  gauge: <path d="M2.6 12.2a6 6 0 1 1 10.8 0M8 9.6l2.7-3.2" />,
  clock: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 4.6V8l2.4 1.6" />
    </>
  ),
  settings: <path d="M2 4.5h7M12.5 4.5H14M2 11.5h1.5M7 11.5h7M10.7 2.8v3.4M5.2 9.8v3.4" />,
  search: (
    <>
      <circle cx="7" cy="7" r="4.3" />
      <path d="m10.3 10.3 3.4 3.4" />
    </>
  ),
  plus: <path d="M8 3v10M3 8h10" />,
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.6" />
      <path d="M10.5 5.5V4a1.5 1.5 0 0 0-1.5-1.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" />
    </>
  ),
  check: <path d="m3 8.5 3.3 3.3L13 5" />,
  terminal: <path d="m3 4.5 3.5 3.5L3 11.5M8.5 12H13" />,
  close: <path d="m4 4 8 8M12 4l-8 8" />,
  chevron: <path d="m6 3.5 4.5 4.5L6 12.5" />,
  up: <path d="M8 13V3.5M4 7.2 8 3.2l4 4" />,
  down: <path d="M8 3v9.5M4 8.8l4 4 4-4" />,
  warning: <path d="M8 2.2 14.4 13.4H1.6L8 2.2ZM8 6.4v3.2M8 11.4v.1" />,
  stop: <rect x="4" y="4" width="8" height="8" rx="1.4" />,
  start: <path d="M5 3.4v9.2L12.6 8 5 3.4Z" />,
  trash: <path d="M2.8 4.4h10.4M6 4.2V2.8h4v1.4M4.2 4.6l.6 8.6h6.4l.6-8.6M6.8 7v3.8M9.2 7v3.8" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.6v1.6M8 12.8v1.6M1.6 8h1.6M12.8 8h1.6M3.5 3.5l1.1 1.1M11.4 11.4l1.1 1.1M12.5 3.5l-1.1 1.1M4.6 11.4l-1.1 1.1" />
    </>
  ),
  moon: <path d="M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z" />,
  screen: (
    <>
      <rect x="2" y="3" width="12" height="8" rx="1.4" />
      <path d="M6 13.5h4" />
    </>
  ),
  leave: <path d="M6.5 2.8H4a1.2 1.2 0 0 0-1.2 1.2v8A1.2 1.2 0 0 0 4 13.2h2.5M10 5l3 3-3 3M6 8h7" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      {PATHS[name]}
    </svg>
  );
}

/** The drum and bars of a windlass. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
      <rect width="24" height="24" rx="6" />
      <g>
        <circle cx="12" cy="12" r="3.4" />
        <path d="M12 4.4v4.2M12 15.4v4.2M4.4 12h4.2M15.4 12h4.2" />
      </g>
    </svg>
  );
}
