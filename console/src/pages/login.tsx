// The way in: a link that works once. Its code stands in the fragment, which no server sees, and is
// out of the address before it is used.
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { openSession } from "../api/client";
import { isUnauthenticated, toProblem } from "../api/problem";
import { keys } from "../api/queries";
import { sentence } from "../lib/networks";
import { replacePath } from "../router";
import { CliLine } from "../ui/copy";
import { Mark } from "../ui/icons";

/** Takes the code out of the address. Reading it twice gives it once. */
function takeCode(): string | null {
  const code = window.location.hash.slice(1);
  if (code === "") return null;
  window.history.replaceState(null, "", window.location.pathname);
  return code;
}

export function LoginPage() {
  const client = useQueryClient();
  const [failure, setFailure] = useState<unknown>(null);
  const [waiting, setWaiting] = useState(() => window.location.hash !== "");

  useEffect(() => {
    document.title = "Log in · Windlass";
    const logIn = () => {
      const code = takeCode();
      if (code === null) return;
      setWaiting(true);
      openSession(code).then(
        () => {
          client.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] });
          client.setQueryData(keys.session, "open");
          replacePath("/networks");
        },
        (error: unknown) => {
          setFailure(error);
          setWaiting(false);
        },
      );
    };
    logIn();
    window.addEventListener("hashchange", logIn);
    return () => window.removeEventListener("hashchange", logIn);
  }, [client]);

  if (waiting) {
    return (
      <Gate title="Logging in…">
        <div className="skeleton" role="status" aria-label="Logging in">
          <div className="bar" />
        </div>
      </Gate>
    );
  }
  return failure === null ? <NoSessionPage /> : <LoginFailed failure={failure} />;
}

function LoginFailed({ failure }: { failure: unknown }) {
  const problem = toProblem(failure);
  if (!isUnauthenticated(failure)) {
    return (
      <Gate title="The login did not work">
        <p role="alert">{sentence(problem.detail)}</p>
        <p className="muted">{sentence(problem.hint)}</p>
        <CliLine command="windlass login" label="Get a new link" />
      </Gate>
    );
  }
  return (
    <Gate title="This link is spent">
      <p role="alert">A login link works once, and only for a short while. Get a new one on the machine where Windlass runs:</p>
      <CliLine command="windlass login" label="Get a new link" />
    </Gate>
  );
}

/** Without permission: what is missing, and who can grant it. */
export function NoSessionPage() {
  return (
    <Gate title="Log in to Windlass">
      <p>
        You need a session. Whoever may use the <code className="mono">windlass</code> command on the platform&rsquo;s machine can
        give you one: this prints a link that works once.
      </p>
      <CliLine command="windlass login" label="Get a login link" />
    </Gate>
  );
}

function Gate({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="gate">
      <div className="gate-card">
        <Mark />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
