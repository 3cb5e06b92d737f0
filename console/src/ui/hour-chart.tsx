// An amount by hour as bars: axes with their units, and words for those who do not see it. The table that says
// the same stands beside it.
import { chartWords, dayMarks, formatAmount, formatHour, type Hour, type Metric } from "../lib/usage";

/** A unit of the picture is an hour across; its height is this. */
const HEIGHT = 100;

export function HourChart({ hours, metric }: { hours: readonly Hour[]; metric: Metric }) {
  const most = Math.max(0, ...hours.map((hour) => hour.used[metric]));
  const days = dayMarks(hours);
  return (
    <figure className="chart" role="img" aria-label={chartWords(hours, metric)}>
      <p className="chart-top">
        at most <span className="number">{formatAmount(metric, most)}</span> in an hour
      </p>
      <svg viewBox={`0 0 ${hours.length} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {days.map(({ share }) => (
          <line key={share} className="chart-day" x1={share * hours.length} x2={share * hours.length} y1={0} y2={HEIGHT} />
        ))}
        {hours.map((hour, index) => (
          <Bar key={hour.hourMs} hour={hour} at={index} amount={hour.used[metric]} most={most} words={formatAmount(metric, hour.used[metric])} />
        ))}
      </svg>
      <div className="chart-days" aria-hidden="true">
        {days.map(({ share, name }) => (
          <span key={share} style={{ left: `${100 * share}%` }}>
            {name}
          </span>
        ))}
      </div>
    </figure>
  );
}

interface BarProps {
  hour: Hour;
  at: number;
  amount: number;
  most: number;
  words: string;
}

/** The whole column is there for the pointer; what little was used is still seen. */
function Bar({ hour, at, amount, most, words }: BarProps) {
  const height = amount === 0 || most === 0 ? 0 : Math.max(2, (HEIGHT * amount) / most);
  return (
    <g className="chart-hour">
      <title>{`${formatHour(hour.hourMs)}: ${words}`}</title>
      <rect className="chart-column" x={at} y={0} width={1} height={HEIGHT} />
      <rect className="chart-bar" x={at + 0.1} y={HEIGHT - height} width={0.8} height={height} />
    </g>
  );
}
