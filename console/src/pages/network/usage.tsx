// What the network used: today, over seven days, and by hour.
import { useState } from "react";
import { useUsage } from "../../api/budgets";
import type { HourOfUse, Network } from "../../api/types";
import { useMinute } from "../../lib/clock";
import { chartHours, formatAmount, formatHour, type Hour, type Metric, METRIC_NAMES, METRICS, midnight, usedSince } from "../../lib/usage";
import { CliLine } from "../../ui/copy";
import { Failed, Skeleton } from "../../ui/feedback";
import { HourChart } from "../../ui/hour-chart";
import { Icon } from "../../ui/icons";

export function UsagePanel({ network }: { network: Network }) {
  const usage = useUsage(network.id);
  return (
    <section className="panel flush" aria-labelledby="usage-title">
      <div className="panel-head">
        <h2 id="usage-title">Usage</h2>
        <span className="muted">by hour, written down once a minute</span>
      </div>
      {usage.isPending && <Skeleton rows={4} label="usage" />}
      {usage.isError && usage.data === undefined && (
        <Failed error={usage.error} what="What it used could not be read" onRetry={() => void usage.refetch()} />
      )}
      {usage.data && <Used name={network.name} used={usage.data} />}
    </section>
  );
}

function Used({ name, used }: { name: string; used: readonly HourOfUse[] }) {
  const [metric, setMetric] = useState<Metric>("cpu_ms");
  const now = useMinute();
  const hours = chartHours(used, now);
  return (
    <>
      <Sums name={name} used={used} sinceMs={hours[0]?.hourMs ?? now} nowMs={now} />
      <div className="usage-chart">
        <div className="segments" role="group" aria-label="What the chart shows">
          {METRICS.map((one) => (
            <button key={one} type="button" className="segment" aria-pressed={one === metric} onClick={() => setMetric(one)}>
              {METRIC_NAMES[one]}
            </button>
          ))}
        </div>
        <HourChart hours={hours} metric={metric} />
        <details className="disclosure">
          <summary>
            <Icon name="chevron" />
            As a table
          </summary>
          <HourTable name={name} hours={hours} />
        </details>
        <CliLine command={`windlass usage --network ${name} --since 7d`} />
      </div>
    </>
  );
}

interface SumsProps {
  name: string;
  used: readonly HourOfUse[];
  sinceMs: number;
  nowMs: number;
}

function Sums({ name, used, sinceMs, nowMs }: SumsProps) {
  const [today, week] = [usedSince(used, midnight(nowMs)), usedSince(used, sinceMs)];
  return (
    <table className="table sums" data-testid="usage">
      <caption className="visually-hidden">What {name} used</caption>
      <thead>
        <tr>
          <th scope="col">Used</th>
          <th scope="col" className="col-number">Today</th>
          <th scope="col" className="col-number">Seven days</th>
        </tr>
      </thead>
      <tbody>
        {METRICS.map((metric) => (
          <tr key={metric}>
            <th scope="row">{METRIC_NAMES[metric]}</th>
            <td className="col-number">
              <span className="number">{formatAmount(metric, today[metric])}</span>
            </td>
            <td className="col-number">
              <span className="number">{formatAmount(metric, week[metric])}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The chart's numbers, the newest first; hours without use say nothing. */
function HourTable({ name, hours }: { name: string; hours: readonly Hour[] }) {
  const some = hours.filter(({ used }) => METRICS.some((metric) => used[metric] > 0)).reverse();
  if (some.length === 0) return <p className="muted">Nothing was used in these days.</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={`What ${name} used, by hour`}>
      <table className="table hours">
        <caption className="visually-hidden">What {name} used, by hour</caption>
        <thead>
          <tr>
            <th scope="col">Hour from</th>
            {METRICS.map((metric) => (
              <th key={metric} scope="col" className="col-number">
                {METRIC_NAMES[metric]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {some.map(({ hourMs, used }) => (
            <tr key={hourMs}>
              <th scope="row">{formatHour(hourMs)}</th>
              {METRICS.map((metric) => (
                <td key={metric} className="col-number">
                  <span className="number">{formatAmount(metric, used[metric])}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
