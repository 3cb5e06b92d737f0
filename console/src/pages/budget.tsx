// What the organization may have, what it has of it, and how that is changed.
import { useState } from "react";
import { useBudget } from "../api/budgets";
import { ORGANIZATION } from "../api/client";
import type { OrganizationBudget } from "../api/types";
import { type Holding, holdings, lifeWords, rateWords } from "../lib/budget";
import { formatNumber } from "../lib/format";
import { CliButton, CliLine } from "../ui/copy";
import { Failed, Skeleton } from "../ui/feedback";
import { Meter } from "../ui/meter";
import { PageHead } from "../ui/page";
import { QuotaDialog } from "./quota-dialog";

export function BudgetPage() {
  const budget = useBudget();
  return (
    <>
      <PageHead title="Budget" aside={<span className="muted">of {ORGANIZATION}</span>} actions={<CliButton command="windlass quota show" />} />
      {budget.isPending && <Skeleton rows={5} label="quotas" />}
      {budget.isError && budget.data === undefined && (
        <Failed error={budget.error} what="The quotas could not be read" onRetry={() => void budget.refetch()} />
      )}
      {budget.data && <Quotas budget={budget.data} />}
    </>
  );
}

function Quotas({ budget }: { budget: OrganizationBudget }) {
  const [asked, setAsked] = useState(false);
  return (
    <>
      <section className="panel flush" aria-labelledby="quotas-title">
        <div className="panel-head">
          <h2 id="quotas-title">Quotas</h2>
          <span className="muted">what it may have at once, and has</span>
          <button type="button" className="button" onClick={() => setAsked(true)}>
            Change…
          </button>
        </div>
        <table className="table quotas">
          <caption className="visually-hidden">Quotas of {ORGANIZATION}</caption>
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col" className="col-number">Has</th>
              <th scope="col" className="col-number">May have</th>
              <th scope="col" className="col-words">Left</th>
            </tr>
          </thead>
          <tbody>
            {holdings(budget).map((holding) => (
              <HoldingRow key={holding.field} holding={holding} />
            ))}
          </tbody>
        </table>
      </section>
      <section className="panel" aria-labelledby="terms-title">
        <h2 id="terms-title">Lives and requests</h2>
        <dl className="pairs one">
          <div>
            <dt>Longest life</dt>
            <dd>{lifeWords(budget.quota)}</dd>
          </div>
          <div>
            <dt>Requests</dt>
            <dd data-testid="quota-requests">{rateWords(budget.quota)}</dd>
          </div>
          <div>
            <dt>Requests this hour</dt>
            <dd>
              <span className="number">{formatNumber(budget.used.requests_this_hour)}</span>, counted once a minute.
            </dd>
          </div>
        </dl>
        <p className="hint">What each network used is on its page, and together:</p>
        <CliLine command="windlass usage --since 7d" />
      </section>
      {asked && <QuotaDialog quota={budget.quota} onClose={() => setAsked(false)} />}
    </>
  );
}

function HoldingRow({ holding }: { holding: Holding }) {
  const { field, name, heldText, limitText, limit, held, fill, words } = holding;
  return (
    <tr data-testid={`quota-${field}`}>
      <th scope="row">{name}</th>
      <td className="col-number">
        <span className="number">{heldText}</span>
      </td>
      <td className="col-number">
        <span className="number">{limitText}</span>
      </td>
      <td className="col-words">
        {limit !== null && <Meter label={name} words={`${heldText} of ${limitText}`} held={held} limit={limit} fill={fill} />}
        <span className={fill === "full" ? "tone-bad" : fill === "near" ? "tone-warn" : "muted"}>{words}</span>
      </td>
    </tr>
  );
}
