// Which page stands at the address, and what stands around it.
import { useEffect } from "react";
import { useSession } from "./api/queries";
import { LiveProvider } from "./live/provider";
import { ActivityPage } from "./pages/activity";
import { BudgetPage } from "./pages/budget";
import { LoginPage, NoSessionPage } from "./pages/login";
import { MissingPage } from "./pages/missing";
import { NetworkPage } from "./pages/network";
import { NetworksPage } from "./pages/networks";
import { ProposalPage } from "./pages/network/proposal";
import { OperationPage } from "./pages/operation";
import { SettingsPage } from "./pages/settings";
import { parseRoute, type Route, usePathname } from "./router";
import { Failed } from "./ui/feedback";
import { Shell } from "./ui/shell";
import { Toasts } from "./ui/toast";

export function App() {
  const route = parseRoute(usePathname());
  return (
    <>
      {route.page === "login" ? <LoginPage /> : <Guarded route={route} />}
      <Toasts />
    </>
  );
}

/** Pages for those who are logged in. */
function Guarded({ route }: { route: Exclude<Route, { page: "login" }> }) {
  const session = useSession();
  useEffect(() => {
    if (session.data === "none") document.title = "Log in · Windlass";
  }, [session.data]);
  if (session.isPending) return <div className="blank" aria-busy="true" />;
  if (session.isError) {
    return (
      <main className="plain">
        <h1 className="visually-hidden">Windlass</h1>
        <Failed error={session.error} what="The console cannot be shown" onRetry={() => void session.refetch()} />
      </main>
    );
  }
  if (session.data === "none") return <NoSessionPage />;
  return (
    <LiveProvider>
      <Shell route={route}>
        <Page route={route} />
      </Shell>
    </LiveProvider>
  );
}

function Page({ route }: { route: Exclude<Route, { page: "login" }> }) {
  switch (route.page) {
    case "networks":
      return <NetworksPage />;
    case "network":
      return <NetworkPage key={route.name} name={route.name} tab={route.tab} node={route.node} />;
    case "proposal":
      return <ProposalPage key={`${route.name}/${route.id}`} name={route.name} id={route.id} />;
    case "activity":
      return <ActivityPage />;
    case "operation":
      return <OperationPage key={route.id} id={route.id} />;
    case "budget":
      return <BudgetPage />;
    case "settings":
      return <SettingsPage />;
    case "missing":
      return <MissingPage />;
  }
}
