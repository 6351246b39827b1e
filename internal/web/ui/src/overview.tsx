// All models on one page: who needs somebody comes first.
import { Badge } from './badge'
import { linear } from './chart'
import { Progress } from './model'
import { brief, count, duration, percent, share, signed } from './words'
import type { Standing } from './wire'

const link = (name: string) => '#/' + encodeURIComponent(name)

const sorted = (models: Standing[]) => [...models].sort((a, b) => brief(a).order - brief(b).order || a.model.localeCompare(b.model, 'en', { numeric: true }))

/** How all models stand, in one line. */
export function summary(models: Standing[]): string {
  const kinds = models.map(m => ({ ...brief(m), due: m.phase === 'due' }))
  const bad = kinds.filter(k => k.kind === 'alert' || k.kind === 'broken').length
  const due = kinds.filter(k => k.due).length
  const live = models.filter(m => m.rollout).length
  return [
    `${models.length} models`,
    live ? `${live} on trial` : 'none on trial',
    bad ? `${bad} in alarm` : 'none in alarm',
    ...(due ? [`${due} to decide`] : []),
  ].join(', ')
}

export function Overview({ models }: { models: Standing[] }) {
  return (
    <section class="card wide">
      <h2 id="overview">{summary(models)}</h2>
      <div class="overview" tabIndex={0} role="region" aria-labelledby="overview">
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col">Verdict</th>
              <th scope="col">Stable and canary</th>
              <th scope="col">Typical latency, canary to stable</th>
              <th scope="col">Share, real and planned</th>
              <th scope="col">Requests of the canary</th>
              <th scope="col">Time left</th>
            </tr>
          </thead>
          <tbody>
            {sorted(models).map(m => (
              <Row key={m.model} m={m} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function Row({ m }: { m: Standing }) {
  const b = brief(m)
  const r = m.rollout
  const n = m.requests.stable + m.requests.canary
  return (
    <tr>
      <th scope="row">
        <a href={link(m.model)}>{m.model}</a>
      </th>
      <td class={'word ' + b.kind} title={r ? m.finding : undefined}>
        <span>
          <Badge kind={b.kind} size={22} />
          {b.word}
          {m.simulate_slowdown && ', drill'}
        </span>
      </td>
      <td>
        {m.stable.name}
        {r && <> → {r.canary.name}</>}
      </td>
      <td>{r ? <Band m={m} /> : '–'}</td>
      <td>{r && n > 0 ? `${share(m.requests.canary / n)} of ${share(r.weight)}` : '–'}</td>
      <td>{r ? count(m.requests.canary) : '–'}</td>
      <td>
        {r && m.phase !== 'loading' ? (
          <>
            <span class="left">{m.phase === 'due' ? 'over' : duration(r.remaining_seconds)}</span>
            <Progress part={r.elapsed_seconds / r.period_seconds} label={`${duration(r.elapsed_seconds)} of ${duration(r.period_seconds)} observed`} />
          </>
        ) : (
          '–'
        )}
      </td>
    </tr>
  )
}

/** The confidence sequence of the ratio, from 30 % faster to 30 % slower. */
function Band({ m }: { m: Standing }) {
  if (m.ratio_lower === m.ratio_upper) return <>not judged yet</>
  const most = 0.3
  const x = linear([-most, most], [4, 116])
  const at = (ratio: number) => x(Math.max(-most, Math.min(most, ratio - 1)))
  const says = `${signed(percent(m.ratio - 1, 2))} (${signed(percent(m.ratio_lower - 1, 2))} to ${signed(percent(m.ratio_upper - 1, 2))})`
  return (
    <span class="mini">
      <svg width="120" height="18" role="img" aria-label={says}>
        <title>{says}</title>
        <line class="zero" x1={x(0)} x2={x(0)} y1="1" y2="17" />
        <line class="mini-band" x1={at(m.ratio_lower)} x2={at(m.ratio_upper)} y1="9" y2="9" />
        <circle class="dot canary" cx={at(m.ratio)} cy="9" r="3.5" />
      </svg>
      {signed(percent(m.ratio - 1, 2))}
    </span>
  )
}

/** The way to the other models, and a word if one of them is in alarm. */
export function Others({ models, here }: { models: Standing[]; here: string }) {
  if (models.length < 2) return null
  const bad = models.filter(m => m.model !== here && brief(m).order === 0).length
  return (
    <a class={bad ? 'others bad' : 'others'} href="#/">
      {bad ? `${bad} other in alarm` : `all ${models.length} models`}
    </a>
  )
}
