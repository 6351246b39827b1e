// The difference over time, with its confidence sequence.
import { useState } from 'preact/hooks'
import type { TargetedPointerEvent } from 'preact'
import { area, Feet, Frame, Grid, line, linear, ticks, timeTicks, useWidth } from './chart'
import { clock, digits, duration, latency, percent, signed, span, typical, unit } from './words'
import type { Moment, Plan, Point } from './wire'

/** A moment of the rollout that is marked on the time axis. */
export interface Mark {
  t: number
  label: string
  strong: boolean
}

/** Where events lie on the axis of observed time, by the looks around them. */
export function marksOf(journal: Moment[], rollout: string, points: Point[]): Mark[] {
  const marks: Mark[] = []
  for (const m of [...journal].reverse()) {
    if (m.rollout !== rollout) continue
    const label = markLabels[m.event]?.(m)
    if (!label) continue
    marks.push({ t: m.numbers?.elapsed_seconds ?? observedAt(points, m.at), label, strong: m.event !== 'reweigh' && m.event !== 'drill' })
  }
  return marks
}

const markLabels: Record<string, (m: Moment) => string> = {
  alert: () => 'alert',
  alarm: () => 'alarm',
  rollback: () => 'rolled back',
  promote: () => 'promoted',
  reweigh: m => 'share ' + percent(m.weight),
  drill: m => (m.drill ? 'drill on' : 'drill off'),
  'period-over': () => 'period over',
}

function observedAt(points: Point[], at: string): number {
  const when = Date.parse(at)
  let before: Point | undefined
  for (const p of points) {
    if (Date.parse(p.at) > when) break
    before = p
  }
  if (!before) return points.length ? Math.max(0, points[0].t - (Date.parse(points[0].at) - when) / 1000) : 0
  return before.t + Math.min(10, (when - Date.parse(before.at)) / 1000)
}

export function Difference({ points, plan, marks }: { points: Point[]; plan: Plan; marks: Mark[] }) {
  const [relative, setRelative] = useState(false)
  const [ref, width] = useWidth()
  const known = points.filter(p => p.ratio !== null)
  const last = known.at(-1)
  const base = last ? typical(last.ms_upper, last.ratio_upper) : null
  const tolerance = relative || base === null ? 100 * plan.tolerance : Math.max(base * plan.tolerance, plan.min_effect_ms)
  const of = (p: Point): [number, number, number] =>
    relative ? [100 * (p.ratio_lower! - 1), 100 * (p.ratio! - 1), 100 * (p.ratio_upper! - 1)] : [p.ms_lower!, p.ms!, p.ms_upper!]
  const says = last ? reading(last, tolerance, relative) : waiting(plan, points)
  const u = relative ? { name: '%', per: 1 } : unit(Math.max(tolerance, last ? Math.abs(last.ms_upper!) : 0))
  const table = () => ({
    head: ['Observed', 'At', 'Difference', 'At least', 'At most', 'Canary requests'],
    rows: [...known].reverse().map(p => {
      const [low, mid, high] = of(p)
      const say = (v: number) => signed(relative ? digits(v) + ' %' : latency(v))
      return [duration(p.t), clock(p.at), say(mid), say(low), say(high), p.canary.toLocaleString('en-GB')]
    }),
  })
  return (
    <Frame
      title="Difference of typical latency, canary minus stable"
      says={says}
      hint={`The band is right at all looks together with ${digits(100 * (1 - plan.alpha), 4)} % confidence, so it may be read at any time: above the zero line the canary is slower, below the tolerance it is fast enough.`}
      wide
      table={table}
      tools={
        <div class="segmented" role="group" aria-label="Unit">
          <button type="button" aria-pressed={!relative} onClick={() => setRelative(false)}>
            time
          </button>
          <button type="button" aria-pressed={relative} onClick={() => setRelative(true)}>
            %
          </button>
        </div>
      }
    >
      <div ref={ref} class="plot">
        {width > 0 && <Drawing {...{ width, known, of, tolerance, marks, u, says, plan }} />}
      </div>
    </Frame>
  )
}

function reading(p: Point, tolerance: number, relative: boolean): string {
  const [low, mid, high] = relative ? [p.ratio_lower! - 1, p.ratio! - 1, p.ratio_upper! - 1] : [p.ms_lower!, p.ms!, p.ms_upper!]
  const say = (v: number) => (relative ? percent(v) : latency(v))
  const limit = relative ? tolerance / 100 : tolerance
  const band = relative ? `${signed(say(low))} to ${signed(say(high))}` : span(low, high)
  if (low > 0 && high < limit) return `The canary is typically ${say(mid)} slower (${band}), which is below the tolerance of ${say(limit)}.`
  if (low > 0) return `The canary is typically ${say(mid)} slower (${band}): the whole band is above zero.`
  if (high < 0) return `The canary is typically ${say(-mid)} faster (${band}): the whole band is below zero.`
  if (high < limit) return `No difference is shown (${band}), and it is below the tolerance of ${say(limit)}.`
  return `No difference is shown yet (${band}).`
}

function waiting(plan: Plan, points: Point[]): string {
  const last = points.at(-1)
  if (!last) return 'The monitor has not looked yet; it looks every 10 s.'
  if (last.t >= plan.initial_delay_seconds) return last.stable + last.canary ? 'Too few requests were observed to compare latencies.' : 'No request has come yet.'
  return `Latencies are not judged in the first ${duration(plan.initial_delay_seconds)}, while a canary may be cold.`
}

interface DrawingProps {
  width: number
  known: Point[]
  of: (p: Point) => [number, number, number]
  tolerance: number
  marks: Mark[]
  u: { name: string; per: number }
  says: string
  plan: Plan
}

function Drawing({ width, known, of, tolerance, marks, u, says, plan }: DrawingProps) {
  const height = width < 520 ? 240 : 300
  const left = 52
  const right = width - 12
  const top = 26
  const bottom = height - 38
  const end = Math.max(60, ...known.map(p => p.t), ...marks.map(m => m.t))
  const limit = Math.max(end, Math.min(plan.period_seconds, end * 1.25))
  const x = linear([0, limit], [left, right])
  const [low, high] = reach(known.map(of), tolerance)
  const y = linear([low, high], [bottom, top])
  const shown = known.map(p => [x(p.t), ...of(p)] as const)
  const [over, setOver] = useState<Point | null>(null)
  const seek = (e: TargetedPointerEvent<SVGSVGElement>) => {
    const px = e.clientX - e.currentTarget.getBoundingClientRect().left
    setOver(known.length ? known.reduce((a, b) => (Math.abs(x(b.t) - px) < Math.abs(x(a.t) - px) ? b : a)) : null)
  }
  const clip = (v: number) => Math.max(top - 40, Math.min(bottom + 40, y(v)))
  return (
    <svg width={width} height={height} role="img" aria-label={says} onPointerMove={seek} onPointerLeave={() => setOver(null)}>
      <clipPath id="difference-clip">
        <rect x={left} y={top - 6} width={right - left} height={bottom - top + 12} />
      </clipPath>
      <Grid at={ticks(low, high, 4)} y={y} x0={left} x1={right} label={v => (v === 0 ? '0' : signed(digits(v * u.per)))} />
      <text class="axis" x={left - 44} y={12}>
        {u.name}
      </text>
      <Feet at={timeTicks(limit, width < 520 ? 4 : 8)} x={x} y={bottom} label={duration} title="observed time" x1={right} />
      <line class="zero" x1={left} x2={right} y1={y(0)} y2={y(0)} />
      <line class="stroke limit" x1={left} x2={right} y1={y(tolerance)} y2={y(tolerance)} />
      <text class="axis limit-text" x={right} y={y(tolerance) - 6} text-anchor="end">
        tolerance
      </text>
      <g clip-path="url(#difference-clip)">
        <path class="band" d={area(shown.map(([px, a, , c]) => [px, clip(a), clip(c)]))} />
        <path class="edge" d={line(shown.map(([px, a]) => [px, clip(a)]))} />
        <path class="edge" d={line(shown.map(([px, , , c]) => [px, clip(c)]))} />
        <path class="stroke canary solid" d={line(shown.map(([px, , b]) => [px, clip(b)]))} />
      </g>
      {shown.length > 0 && <circle class="dot canary" cx={shown.at(-1)![0]} cy={clip(shown.at(-1)![2])} r="4" />}
      <Marks marks={marks} x={x} top={top} bottom={bottom} right={right} />
      {over && <Reading p={over} x={x(over.t)} of={of(over)} u={u} top={top} bottom={bottom} left={left} right={right} />}
    </svg>
  )
}

interface ReadingProps {
  p: Point
  x: number
  of: [number, number, number]
  u: { name: string; per: number }
  top: number
  bottom: number
  left: number
  right: number
}

/** What one look said, where the pointer is. The table has the same for all. */
function Reading({ p, x, of: [low, mid, high], u, top, bottom, left, right }: ReadingProps) {
  const say = (v: number) => signed(digits(v * u.per))
  const text = `${duration(p.t)}: ${say(mid)} ${u.name} (${say(low)} to ${say(high)}), ${p.canary.toLocaleString('en-GB')} canary requests`
  const wide = text.length * 6.9 + 16
  const at = Math.max(left, Math.min(right - wide, x - wide / 2))
  return (
    <g class="reading" aria-hidden="true">
      <line x1={x} x2={x} y1={top} y2={bottom} />
      <rect x={at} y={bottom - 30} width={wide} height="22" rx="5" />
      <text x={at + wide / 2} y={bottom - 15} text-anchor="middle">
        {text}
      </text>
    </g>
  )
}

/** Labels of moments, each in the first line where it touches no other. */
function Marks({ marks, x, top, bottom, right }: { marks: Mark[]; x: (t: number) => number; top: number; bottom: number; right: number }) {
  const taken: number[] = []
  return (
    <g>
      {marks.map((m, i) => {
        const px = x(m.t)
        const wide = m.label.length * 6.6 + 10
        const flip = px + wide > right
        const from = flip ? px - wide : px
        let row = taken.findIndex(until => until < from)
        if (row < 0) row = taken.length
        taken[row] = from + wide
        return (
          <g class={m.strong ? 'mark strong' : 'mark'} key={i}>
            <line x1={px} x2={px} y1={top - 14 + row * 14} y2={bottom} />
            <text x={flip ? px - 5 : px + 5} y={top - 6 + row * 14} text-anchor={flip ? 'end' : 'start'}>
              {m.label}
            </text>
          </g>
        )
      })}
    </g>
  )
}

/** What the y axis shows: zero, the tolerance, and the band once it has settled. */
function reach(bands: [number, number, number][], tolerance: number): [number, number] {
  const settled = bands.slice(Math.floor(bands.length / 4))
  let low = -0.35 * tolerance
  let high = 1.35 * tolerance
  for (const [a, , c] of settled) {
    low = Math.min(low, a)
    high = Math.max(high, c)
  }
  const last = bands.at(-1)
  if (last) {
    const most = 4 * Math.max(tolerance, Math.abs(last[1]), last[2] - last[0])
    low = Math.max(low, -most)
    high = Math.min(high, most)
  }
  const room = 0.05 * (high - low)
  return [low - room, high + room]
}
