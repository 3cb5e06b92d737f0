// A modal dialog on the browser's own <dialog>: it keeps the focus, closes on Escape and gives the
// focus back.
import { type ReactNode, useEffect, useId, useRef } from "react";
import { Icon } from "./icons";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  footer?: ReactNode;
  className?: string;
}

export function Dialog({ title, onClose, children, footer, className = "" }: DialogProps) {
  const dialog = useModal(onClose);
  const titleId = useId();
  return (
    <dialog ref={dialog} className={`dialog ${className}`} aria-labelledby={titleId}>
      <header className="dialog-head">
        <h2 id={titleId}>{title}</h2>
        <button type="button" className="button ghost square" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="dialog-body">{children}</div>
      {footer !== undefined && <footer className="dialog-foot">{footer}</footer>}
    </dialog>
  );
}

/** Opens the dialog it is given to, and closes on Escape or a press beside it. */
export function useModal(onClose: () => void) {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    const opener = document.activeElement;
    const cancel = (event: globalThis.Event) => {
      event.preventDefault();
      close.current();
    };
    const press = (event: PointerEvent) => {
      if (event.target === element) close.current();
    };
    element.addEventListener("cancel", cancel);
    element.addEventListener("pointerdown", press);
    if (!element.open) element.showModal();
    element.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => {
      element.removeEventListener("cancel", cancel);
      element.removeEventListener("pointerdown", press);
      element.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return dialog;
}
