// The head of a page: its title in the window too, and the focus after a change of page.
import { type ReactNode, useEffect, useRef } from "react";

let firstPage = true;

/** Names the window and moves the focus to the new page's title, but not at the first one. */
export function usePageTitle(title: string) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Windlass`;
  }, [title]);
  useEffect(() => {
    if (firstPage) {
      firstPage = false;
      return;
    }
    if (document.querySelector("dialog[open]") === null) heading.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, []);
  return heading;
}

interface PageHeadProps {
  title: string;
  aside?: ReactNode;
  actions?: ReactNode;
  children?: ReactNode;
}

export function PageHead({ title, aside, actions, children }: PageHeadProps) {
  const heading = usePageTitle(title);
  return (
    <header className="page-head">
      <div className="page-title">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {aside}
        {actions !== undefined && <div className="actions">{actions}</div>}
      </div>
      {children}
    </header>
  );
}
