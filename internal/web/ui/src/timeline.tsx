// The journal: what happened, who did it, why, and on what evidence.
import { useState } from 'preact/hooks'
import { clock, count, day, digits, duration, percent, sentence } from './words'
import type { Moment } from './wire'

const did: Record<string, (m: Moment) => string> = {
  install: m => `${m.stable} was installed`,
  deploy: m => `${m.canary} was deployed`,
  loaded: m => `${m.canary} is live with ${percent(m.weight)} of the requests`,
  refused: m => `${m.canary} was refused`,
  rollback: m => `${m.canary} was rolled back`,
  promote: m => `${m.stable} was promoted`,
  drill: m => (m.drill ? 'A drill began: the canary is slowed down on purpose' : 'The drill ended'),
  'period-over': () => 'The period is over',
  alert: () => 'First alert of the seed’s rule',
  alarm: () => 'The monitor raised an alarm',
  reweigh: m => `The share is ${percent(m.weight)} now`,
  resume: () => 'serin was started again with the canary live',
  crash: m => `${m.canary} took the process down`,
}

const loud = new Set(['alert', 'alarm', 'crash', 'refused'])

export function Timeline({ journal, base }: { journal: Moment[]; base: string }) {
  const [most, set] = useState(12)
  const shown = journal.slice(0, most)
  return (
    <section class="card wide" aria-labelledby="timeline">
      <div class="card-head">
        <h3 id="timeline">What happened</h3>
      </div>
      {journal.length === 0 && <p class="says">Nothing is in the journal yet.</p>}
      <ol class="timeline">
        {shown.map((m, i) => (
          <li key={m.seq} class={loud.has(m.event) ? 'loud' : ''}>
            {(i === 0 || day(shown[i - 1].at) !== day(m.at)) && <p class="day">{day(m.at)}</p>}
            <time dateTime={m.at}>{clock(m.at)}</time>
            <div>
              <p class="what">
                {m.event ? (did[m.event]?.(m) ?? m.event) + '.' : `Row ${m.seq} of the journal cannot be read.`}
                {m.actor && <span class="who"> {m.actor === 'serin' ? 'By plan' : `By ${m.actor}`}</span>}
                {m.rollout && <span class="who"> · {m.rollout}</span>}
              </p>
              {m.reason && <p class="why">“{m.reason}”</p>}
              {m.sentence && <Grounds m={m} base={base} />}
            </div>
          </li>
        ))}
      </ol>
      {journal.length > most && (
        <button type="button" class="quiet" onClick={() => set(journal.length)}>
          Show {journal.length - most} more
        </button>
      )}
    </section>
  )
}

/** What a decision was made on. */
function Grounds({ m, base }: { m: Moment; base: string }) {
  const n = m.numbers
  return (
    <details>
      <summary>{sentence(m.sentence)}</summary>
      {n && (
        <dl class="grounds">
          <dt>Verdict</dt>
          <dd>{m.verdict}</dd>
          <dt>Requests</dt>
          <dd>
            {count(n.canary)} canary, {count(n.stable)} stable, in {duration(n.elapsed_seconds)}
          </dd>
          <dt>Canary’s typical latency</dt>
          <dd>
            {percent(n.ratio, 4)} of stable’s ({percent(n.ratio_lower, 4)} to {percent(n.ratio_upper, 4)})
          </dd>
          <dt>Monitor’s evidence</dt>
          <dd>ln e = {digits(n.log_e)}</dd>
          <dt>Welch’s test, this look</dt>
          <dd>p = {digits(n.p_value, 2)}</dd>
          <dt>Everything stored</dt>
          <dd>
            <a href={`${base}/rollouts/${encodeURIComponent(m.rollout)}/cases`}>cases of {m.rollout}</a>, which{' '}
            <code>serin explain {m.rollout}</code> judges again
          </dd>
        </dl>
      )}
    </details>
  )
}
