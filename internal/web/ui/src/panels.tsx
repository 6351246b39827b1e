// The smaller pictures: the split, errors, scores, and what the monitor weighs.
import { useMemo } from 'preact/hooks'
import { Feet, Frame, Grid, Key, line, linear, ticks, timeTicks, useWidth } from './chart'
import { count, digits, duration, percent, share, signals } from './words'
import type { Arm, Judgement, Plan, Point, Seen } from './wire'

interface LinesProps {
  points: Point[]
  says: string
  /** Each in the unit of label; null is not drawn. */
  stable?: (p: Point) => number
  canary: (p: Point) => number
  limit: (p: Point) => number
  least: number
  label: (v: number) => string
}

/** One or two lines over observed time, and a limit or plan. */
function Lines({ points, says, stable, canary, limit, least, label }: LinesProps) {
  const [ref, width] = useWidth()
  const height = 150
  const left = 52
  const right = width - 8
  const top = 10
  const bottom = height - 24
  const end = Math.max(60, points.at(-1)?.t ?? 0)
  const high = 1.1 * Math.max(least, ...points.flatMap(p => [canary(p), limit(p), stable?.(p) ?? 0]))
  const x = linear([0, end], [left, right])
  const y = linear([0, high], [bottom, top])
  const path = (f: (p: Point) => number) => line(points.map(p => [x(p.t), y(f(p))]))
  const paths = useMemo(() => [path(limit), stable && path(stable), path(canary)], [points, width])
  return (
    <div ref={ref} class="plot">
      {width > 0 && points.length > 0 && (
        <svg width={width} height={height} role="img" aria-label={says}>
          <Grid at={ticks(0, high, 3)} y={y} x0={left} x1={right} label={label} />
          <Feet at={timeTicks(end, width < 400 ? 3 : 5)} x={x} y={bottom} label={duration} />
          <path class="stroke limit" d={paths[0]} />
          {stable && <path class="stroke stable" d={paths[1]} />}
          <path class="stroke canary" d={paths[2]} />
        </svg>
      )}
    </div>
  )
}

export function Share({ points, guard, weight }: { points: Point[]; guard: Judgement['guard']; weight: number }) {
  const planned = guard.planned || weight
  const real = guard.observed
  const says = guard.log_e >= guard.log_threshold ? `Not as planned: ${share(real)} of the requests were the canary’s, ${share(planned)} were planned. So the arms cannot be compared.` : real ? `${share(real)} of the requests were the canary’s; ${share(planned)} were planned.` : `${share(planned)} of the requests are planned for the canary.`
  const dealt = useMemo(() => points.filter(p => p.planned > 0), [points])
  return (
    <Frame
      title="Traffic share"
      says={says}
      table={() => ({ head: ['Observed', 'Canary’s share', 'Planned'], rows: [...points].reverse().map(p => [duration(p.t), share(p.share), share(p.planned)]) })}
      legend={
        <>
          <Key kind="canary">real</Key>
          <Key kind="limit">planned</Key>
        </>
      }
    >
      <Lines points={dealt} says={says} canary={p => 100 * p.share} limit={p => 100 * p.planned} least={1} label={v => digits(v) + ' %'} />
    </Frame>
  )
}

const failed = (a: Arm) => (a.count + a.failures ? a.failures / (a.count + a.failures) : 0)
const rate = (failures: number, n: number) => (n + failures ? (100 * failures) / (n + failures) : 0)

export function Errors({ points, stable, canary }: { points: Point[]; stable: Arm; canary: Arm }) {
  const none = stable.failures + canary.failures === 0
  const says = none
    ? `No request failed, of ${count(stable.count + canary.count)}.`
    : `The canary failed ${count(canary.failures)} of ${count(canary.count + canary.failures)} requests (${percent(failed(canary))}), stable ${count(stable.failures)} of ${count(stable.count + stable.failures)} (${percent(failed(stable))}).`
  const apart = [stable, canary].map(a => `${count(a.failures)} without an answer${a.failures ? ` (${count(a.panics)} panics, ${count(a.deadlines)} past their deadline)` : ''}, ${count(a.abandoned)} too late for their client, ${count(a.unfinished)} on their way or hung`)
  return (
    <Frame
      title="Errors"
      says={says}
      hint={`Stable: ${apart[0]}. Canary: ${apart[1]}.`}
      table={() => ({
        head: ['Observed', 'Stable failed', 'Canary failed', 'Stable requests', 'Canary requests'],
        rows: [...points].reverse().map(p => [duration(p.t), p.stable_failures, p.canary_failures, count(p.stable), count(p.canary)]),
      })}
      legend={
        <>
          <Key kind="stable">stable</Key>
          <Key kind="canary">canary</Key>
        </>
      }
    >
      <Lines
        points={points}
        says={says}
        stable={p => rate(p.stable_failures, p.stable)}
        canary={p => rate(p.canary_failures, p.canary)}
        limit={() => 0}
        least={1}
        label={v => digits(v) + ' %'}
      />
    </Frame>
  )
}

/** The probability at the lower edge of a bar of scores. */
const edge = (i: number) => (i <= 0 ? 0 : i >= 34 ? 1 : 1 / (1 + 2 ** (17 - i)))

export function Scores({ seen, plan, drift }: { seen: Seen; plan: Plan; drift: number }) {
  const [ref, width] = useWidth()
  const stable = seen.stable_scores ?? []
  const canary = seen.canary_scores ?? []
  const sum = (c: number[]) => c.reduce((a, b) => a + b, 0)
  const nS = sum(stable)
  const nC = sum(canary)
  const says = !seen.stable?.some(Boolean) && !seen.canary?.some(Boolean)
    ? 'Nothing was observed yet.'
    : !nS
    ? 'This model gives no scores between 0 and 1.'
    : !nC
      ? `${count(nS)} scores of stable.`
      : `The scores of both arms differ by a PSI of ${digits(drift, 2)}; from ${digits(plan.min_drift)} on it matters.`
  const height = 150
  const left = 12
  const right = width - 12
  const middle = nC ? 66 : 122
  const half = middle - 6
  // Even steps of odds are what the server counts; even steps of probability are what people read.
  const tenths = (counts: number[], n: number) => {
    const out = new Array<number>(20).fill(0)
    counts.forEach((c, i) => {
      const [from, to] = [edge(i), edge(i + 1)]
      for (let k = Math.floor(from * 20); k <= Math.min(19, Math.floor(to * 20 - 1e-9)); k++) {
        const part = (Math.min(to, (k + 1) / 20) - Math.max(from, k / 20)) / (to - from)
        out[k] += (c * Math.max(0, part)) / (n || 1)
      }
    })
    return out
  }
  const a = tenths(stable, nS)
  const b = tenths(canary, nC)
  const most = Math.max(...a, ...b, 1e-9)
  const x = linear([0, 1], [left, right])
  const bar = (d: number[], sign: number) =>
    d.map((v, i) => `M${(x(i / 20) + 1).toFixed(1)} ${middle}v${(-sign * (v / most) * half).toFixed(1)}H${(x((i + 1) / 20) - 1).toFixed(1)}V${middle}`).join('')
  return (
    <Frame
      title="Scores"
      says={says}
      table={() => ({
        head: ['Score', 'Stable', 'Canary'],
        rows: nS ? a.map((v, i) => [`${digits(i / 20)} to ${digits((i + 1) / 20)}`, percent(v), nC ? percent(b[i]) : '–']) : [],
      })}
      legend={
        nS > 0 && (
          <>
            <Key kind="stable">stable, above</Key>
            {nC > 0 && <Key kind="canary">canary, below</Key>}
          </>
        )
      }
    >
      <div ref={ref} class="plot">
        {width > 0 && nS > 0 && (
          <svg width={width} height={height} role="img" aria-label={says}>
            <path class="bars stable" d={bar(a, 1)} />
            {nC > 0 && <path class="bars canary" d={bar(b, -1)} />}
            <line class="zero thin" x1={left} x2={right} y1={middle} y2={middle} />
            <Feet at={[0, 0.25, 0.5, 0.75, 1]} x={x} y={height - 24} label={v => digits(v)} />
          </svg>
        )}
      </div>
    </Frame>
  )
}

/** Everything that is weighed against the canary, and for it. */
export function Evidence({ j }: { j: Judgement }) {
  const rows = [
    ...j.signals.map(s => ({
      name: signals[s.name]?.[0] ?? s.name,
      what: signals[s.name]?.[1] ?? '',
      log: s.log_e,
      need: s.log_threshold,
      loud: s.alarm,
      good: false,
      note: s.alarm ? 'alarm' : s.floor > 0 && s.effect < s.floor && s.log_e > 0 ? 'too small to matter' : '',
    })),
    {
      name: 'Fast enough to pass', what: `Evidence that it is not ${percent(j.promote.tolerance)} slower.`, log: j.promote.log_e, need: j.promote.log_threshold,
      loud: false, good: j.alarms.length === 0, note: !j.promote.shown ? '' : j.alarms.length ? 'shown, but an alarm stands' : 'shown',
    },
    {
      name: 'Split not as planned', what: 'Evidence that requests are not dealt as planned: then nothing can be compared.', log: j.guard.log_e, need: j.guard.log_threshold,
      loud: j.guard.log_e >= j.guard.log_threshold, good: false, note: '',
    },
  ]
  const part = (log: number, need: number) => Math.max(0, Math.min(1, log / need))
  const crossed = j.signals.filter(s => s.alarm).map(s => (signals[s.name]?.[0] ?? s.name).toLowerCase())
  const says = crossed.length
    ? `Over the threshold: ${crossed.join('; ')}.`
    : j.alarms.length
      ? 'All signals together are over the threshold.'
      : `No signal has reached its threshold${j.promote.missing ? '. It cannot pass yet: ' + j.promote.missing : ''}.`
  return (
    <Frame
      title="What the monitor weighs"
      says={says}
      hint="A full bar is an alarm, or for the bar that can let it pass, the proof. Bars may fall again; an alarm stays."
      table={() => ({
        head: ['Signal', 'Evidence, ln e', 'Threshold', 'What it watches'],
        rows: rows.map(r => [r.name, digits(r.log), digits(r.need), r.what]),
      })}
    >
      <ul class="evidence">
        {rows.map(r => (
          <li key={r.name} class={r.loud ? 'loud' : r.good ? 'good' : ''}>
            <span class="name">{r.name}</span>
            <svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
              <rect class="rail" width="100" height="8" rx="1" />
              <rect class="fill" width={100 * part(r.log, r.need)} height="8" rx="1" />
            </svg>
            <span class="note">{r.note || Math.round(100 * part(r.log, r.need)) + ' %'}</span>
          </li>
        ))}
      </ul>
    </Frame>
  )
}
