// What is wrong with the network: since when, whose fault it is, what to do. One line while nothing is.
import { useExamination } from "../../api/queries";
import type { Check, Condition, Diagnosis, Network } from "../../api/types";
import { canBeExamined, conditionWords, faultWords, findings, gravityLabel } from "../../lib/conditions";
import { formatDuration } from "../../lib/format";
import type { StateLabel } from "../../lib/networks";
import { CliLine } from "../../ui/copy";
import { Failed } from "../../ui/feedback";
import { Prose } from "../../ui/prose";
import { State } from "../../ui/state";
import { Age } from "../../ui/time";

export function ConditionsPanel({ network }: { network: Network }) {
  const examination = useExamination(network.id);
  const wrong = findings(network.conditions);
  if (!canBeExamined(network)) return null;
  return (
    <section className="panel flush conditions" aria-labelledby="conditions-title">
      <div className="panel-head">
        <h2 id="conditions-title">Conditions</h2>
        <span className="muted">{wrong.length === 0 && "Nothing is wrong."}</span>
        <button type="button" className="button small" disabled={examination.isPending} onClick={() => examination.mutate()}>
          {examination.isPending ? "Checking…" : "Check now"}
        </button>
      </div>
      {wrong.length > 0 && (
        <ul className="findings" aria-label="What is wrong">
          {wrong.map((condition) => (
            <Finding key={condition.type} condition={condition} />
          ))}
        </ul>
      )}
      {examination.isError && (
        <Failed error={examination.error} what="The network could not be examined" onRetry={() => examination.mutate()} />
      )}
      {examination.data && <Examined name={network.name} diagnosis={examination.data} />}
    </section>
  );
}

function Finding({ condition }: { condition: Condition }) {
  const fault = faultWords(condition);
  return (
    <li className="finding">
      <p className="finding-head">
        <State label={gravityLabel(condition.gravity)} />
        <strong>{conditionWords(condition.type)}</strong>
        <span className="muted">
          {condition.reason}, since <Age atMs={condition.since_ms} />
        </span>
      </p>
      <p>
        <Prose text={condition.message} />
      </p>
      <dl className="finding-facts">
        {fault !== null && (
          <div>
            <dt>Fault of</dt>
            <dd>{fault}</dd>
          </div>
        )}
        {(condition.evidence ?? []).length > 0 && (
          <div>
            <dt>Seen</dt>
            <dd>
              {(condition.evidence ?? []).map((seen) => (
                <span key={seen} className="line">
                  {seen}
                </span>
              ))}
            </dd>
          </div>
        )}
        {condition.remedy != null && (
          <div>
            <dt>Remedy</dt>
            <dd>
              <Prose text={condition.remedy} />
            </dd>
          </div>
        )}
      </dl>
      {condition.command != null && <CliLine command={condition.command} />}
    </li>
  );
}

const OUTCOMES: Record<Check["outcome"], StateLabel> = {
  passed: { tone: "good", word: "Passed" },
  failed: { tone: "bad", word: "Failed" },
  skipped: { tone: "off", word: "Skipped" },
};

/** What was asked, and what came of it. */
function Examined({ name, diagnosis }: { name: string; diagnosis: Diagnosis }) {
  return (
    <div className="examined">
      <p role="status">
        <Prose text={diagnosis.summary} />{" "}
        <span className="muted">
          Checked <Age atMs={diagnosis.at_ms} />.
        </span>
      </p>
      <table className="table checks">
        <caption className="visually-hidden">What was checked</caption>
        <thead>
          <tr>
            <th scope="col">Check</th>
            <th scope="col">Result</th>
            <th scope="col">Seen</th>
            <th scope="col" className="col-number wide">Took</th>
          </tr>
        </thead>
        <tbody>
          {diagnosis.checks.map((check) => (
            <tr key={check.name}>
              <th scope="row">{check.name}</th>
              <td>
                <State label={OUTCOMES[check.outcome]} />
              </td>
              <td className="seen">{check.detail.split("\n")[0]}</td>
              <td className="col-number wide">
                <span className="number">{formatDuration(check.took_ms)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <CliLine command={`windlass network doctor ${name}`} />
    </div>
  );
}
