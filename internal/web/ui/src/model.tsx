// One model: the verdict first, then why.
import { useMemo } from 'preact/hooks'
import { Actions } from './actions'
import type { Answer } from './call'
import { Difference, marksOf } from './difference'
import { Distribution } from './distribution'
import type { View } from './live'
import { Badge } from './badge'
import { Errors, Evidence, Scores, Share } from './panels'
import { Replicas } from './replicas'
import { Timeline } from './timeline'
import { count, duration, latency, share, slower, split, standOf } from './words'
import type { Judgement, Now, Point } from './wire'

const nobody: Point[] = []

interface Props {
  view: View
  base: string
  stale: boolean
  say: (a: Answer) => void
}

export function Model({ view, base, stale, say }: Props) {
  if (!view.now) return <Waiting />
  return <Known {...{ view, base, stale, say }} now={view.now} />
}

function Known({ view, now, base, stale, say }: Props & { now: Now }) {
  const s = now.state
  const live = split(s)
  const stand = standOf(s)
  const final = live || s.phase === 'loading' ? undefined : view.final
  const judgement: Judgement | undefined = live ? s.alert_status.monitor : final?.monitor
  const seen = final?.seen ?? now.seen
  const stable = final?.welch.stable ?? s.canary_metrics.stable.latencies_ms
  const canary = final?.welch.canary ?? s.canary_metrics.canary.latencies_ms
  const points = live || final ? view.points : nobody
  // A look comes each ten seconds and an event seldom: in between these stay as they are.
  const difference = useMemo(() => <Difference points={points} plan={now.plan} marks={marksOf(view.journal, view.rollout, points)} />, [points, view.journal])
  const timeline = useMemo(() => <Timeline journal={view.journal} base={base} />, [view.journal, base])
  return (
    <>
      <section class={'verdict ' + stand.kind} aria-labelledby="verdict">
        <div class="verdict-head">
          <Badge kind={stand.kind} size={52} />
          <div>
            <p class="eyebrow">
              {stand.word}
              {s.phase === 'due' && ' · the period is over'}
              {s.simulate_slowdown && ' · a drill is on'}
            </p>
            <h2 id="verdict">{stand.title}</h2>
            <p class="sentence">{stand.sentence}</p>
            {final && <p class="second">Its last verdict: {final.monitor.verdict === 'insufficient' ? final.welch.sentence : final.monitor.sentence}.{canary.failures === 0 && ' None of its requests failed.'}</p>}
            {live && s.alert_status.monitor_verdict === 'insufficient' && s.alert_status.status !== 'insufficient_data' && (
              <p class="second">The monitor: {s.alert_status.monitor_finding}.</p>
            )}
            {now.here && (
              <p class="wrong here">
                <strong>This replica</strong> {now.here}.
              </p>
            )}
            <Actions {...{ now, base, stale, say }} />
          </div>
        </div>
        <Facts now={now} judgement={judgement} ended={!!final} />
      </section>
      <div class="cards">
        {judgement && difference}
        <Distribution seen={seen} both={!!judgement} />
        {judgement && (
          <>
            <Share points={points} guard={judgement.guard} weight={s.rollout?.weight ?? 0} />
            <Errors points={points} stable={stable} canary={canary} />
            <Scores seen={seen} plan={now.plan} drift={judgement.signals.find(x => x.name === 'score_drift')?.effect ?? 0} />
            <Evidence j={judgement} />
          </>
        )}
        {view.replicas?.length !== 0 && <Replicas replicas={view.replicas} model={s.model} generation={s.generation} />}
        {timeline}
      </div>
    </>
  )
}

function Fact({ name, children, sub }: { name: string; children: preact.ComponentChildren; sub?: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {children}
        {sub && <small>{sub}</small>}
      </dd>
    </div>
  )
}

function Facts({ now, judgement, ended }: { now: Now; judgement?: Judgement; ended: boolean }) {
  const s = now.state
  const r = s.rollout
  const h = s.alert_status
  return (
    <dl class="facts">
      <Fact name="Stable" sub={<code>{s.stable.sha256.slice(0, 12)}</code>}>
        {s.stable.name}
      </Fact>
      {r && (
        <Fact name="Canary" sub={<code>{r.canary.sha256.slice(0, 12)}</code>}>
          {r.canary.name}
        </Fact>
      )}
      {r && split(s) && (
        <Fact
          name={s.phase === 'due' ? 'The period is over' : 'Time left'}
          sub={<Progress part={r.elapsed_seconds / r.period_seconds} label={`${duration(r.elapsed_seconds)} of ${duration(r.period_seconds)} observed`} />}
        >
          {s.phase === 'due' ? duration(r.period_seconds) + ' observed' : duration(r.remaining_seconds)}
        </Fact>
      )}
      {r && split(s) && (
        <Fact name="Canary’s share" sub={`${share(r.weight)} planned`}>
          {judgement && judgement.guard.observed ? share(judgement.guard.observed) : '–'}
        </Fact>
      )}
      {judgement && (
        <Fact name="Requests" sub={`${count(judgement.stable.count)} stable`}>
          {count(split(s) ? h.samples.canary : judgement.canary.count)} canary
        </Fact>
      )}
      {judgement && (
        <Fact name={ended ? 'Would have been seen' : 'Would be seen by now'} sub={judgement.smallest_slowdown === null ? 'too little was judged yet' : 'in four of five canaries'}>
          {judgement.smallest_slowdown === null ? '–' : slower(judgement.smallest_slowdown)}
        </Fact>
      )}
      {!judgement && (
        <Fact name="Median latency">{now.seen.quantiles?.[0]?.stable_ms != null ? latency(now.seen.quantiles[0].stable_ms) : '–'}</Fact>
      )}
    </dl>
  )
}

export function Progress({ part, label }: { part: number; label: string }) {
  return (
    <svg class="progress" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
      <title>{label}</title>
      <rect class="rail" width="100" height="6" />
      <rect class="fill" width={100 * Math.min(1, Math.max(0, part))} height="6" />
    </svg>
  )
}

export function Waiting() {
  return (
    <section class="verdict loading" aria-busy="true">
      <div class="verdict-head">
        <Badge kind="loading" size={52} />
        <div>
          <p class="eyebrow">Connecting</p>
          <h2>Asking the server …</h2>
          <p class="sentence">The page fills as soon as it answers.</p>
        </div>
      </div>
    </section>
  )
}
