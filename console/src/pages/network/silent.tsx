// In the place of what only the nodes know, while they are not asked: why, and what brings them back.
import type { Network } from "../../api/types";
import { answersQuestions, asOfWords, revival, revivalCommand, silence } from "../../lib/life";
import { CliLine } from "../../ui/copy";
import { Empty, Failed } from "../../ui/feedback";
import { LifeButton } from "./actions";

interface SilentProps {
  network: Network;
  /** What is shown here otherwise: `Its blocks and transactions`. */
  what: string;
}

export function Silent({ network, what }: SilentProps) {
  const { name } = network;
  const verb = revival(network);
  return (
    <Empty title={silence(network)}>
      <p className="muted">{what} are on its chain, and are shown as soon as it runs.</p>
      {verb && <LifeButton name={name} verb={verb} look="" />}
      <CliLine command={revivalCommand(network)} />
    </Empty>
  );
}

/** The members' part of the chain. */
export const DECIDED = "Members, proposals and votes";

interface UnreadProps extends SilentProps {
  error: unknown;
  onRetry: () => void;
}

/** What was asked for in the moment in which the nodes went is no failure. */
export function Unread({ network, what, error, onRetry }: UnreadProps) {
  if (!answersQuestions(network)) return <Silent network={network} what={what} />;
  return <Failed error={error} what={`${what} could not be read`} onRetry={onRetry} />;
}

interface AsOfProps {
  network: Network;
  /** What is shown: it failed if it could not be read again. */
  query: { isError: boolean };
}

/** Said where what is shown may have been overtaken. */
export function AsOf({ network, query }: AsOfProps) {
  if (!answersQuestions(network)) return <span className="muted">{asOfWords(network)}</span>;
  return query.isError ? <span className="muted">as of when it last answered</span> : null;
}
