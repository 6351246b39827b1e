// Both latency distributions on a log axis, and how their quantiles differ.
import { Feet, Frame, Key, linear, logarithmic, logTicks, useWidth } from './chart'
import { count, digits, latency, signed, span, unit } from './words'
import type { Seen } from './wire'

interface Level {
  q: number
  stable: number | null
  canary: number | null
  /** The difference in ms with an interval of its own, at this moment. */
  diff: [low: number, mid: number, high: number] | null
}

const total = (counts: number[] | null) => (counts ?? []).reduce((a, b) => a + b, 0)

/** The latency in ms below which the share q lies, within its bar as the server does. */
function quantile(counts: number[], low: number, growth: number, q: number): number {
  const want = Math.min(1, Math.max(0, q)) * total(counts)
  let below = 0
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] && below + counts[i] >= want) {
      const from = low * growth ** i
      return from * (1 + ((growth - 1) * (want - below)) / counts[i])
    }
    below += counts[i]
  }
  return low * growth ** counts.length
}

/** The quantiles with order-statistic intervals: 95 % each, for one look. */
export function levels(s: Seen): Level[] {
  return (s.quantiles ?? []).map(l => {
    const level: Level = { q: l.q, stable: l.stable_ms, canary: l.canary_ms, diff: null }
    const ns = total(s.stable)
    const nc = total(s.canary)
    if (l.stable_ms === null || l.canary_ms === null || nc * (1 - l.q) < 3 || ns * (1 - l.q) < 3) return level
    const z = 1.96
    const end = (counts: number[], n: number, side: number) =>
      quantile(counts, s.low_ms, s.growth, l.q + side * z * Math.sqrt((l.q * (1 - l.q)) / n))
    const mid = l.canary_ms - l.stable_ms
    const up = Math.hypot(end(s.canary!, nc, 1) - l.canary_ms, l.stable_ms - end(s.stable!, ns, -1))
    const down = Math.hypot(l.canary_ms - end(s.canary!, nc, -1), end(s.stable!, ns, 1) - l.stable_ms)
    level.diff = [mid - down, mid, mid + up]
    return level
  })
}

const name = (q: number) => 'p' + digits(100 * q)

export function Distribution({ seen, both }: { seen: Seen; both: boolean }) {
  const [ref, width] = useWidth()
  const all = levels(seen)
  const at = (q: number) => all.find(l => l.q === q)
  const p95 = at(0.95)?.diff ?? at(0.5)?.diff
  const nS = total(seen.stable)
  const nC = total(seen.canary)
  const says = !nS
    ? 'Nothing was observed yet.'
    : !both || !nC
      ? `${count(nS)} requests: half of them took at most ${latency(at(0.5)?.stable ?? 0)}.`
      : p95
        ? `At ${name(at(0.95)?.diff ? 0.95 : 0.5)} the canary takes ${signed(latency(p95[1]))} (${span(p95[0], p95[2])}) compared with stable.`
        : `${count(nC)} canary requests are too few to compare quantiles.`
  const table = () => ({
    head: ['Quantile', 'Stable', 'Canary', 'Difference', '95 % interval'],
    rows: all.map(l => [
      name(l.q),
      l.stable === null ? '–' : latency(l.stable),
      l.canary === null ? '–' : latency(l.canary),
      l.diff ? signed(latency(l.diff[1])) : '–',
      l.diff ? span(l.diff[0], l.diff[2]) : 'too few',
    ]),
  })
  return (
    <Frame
      title="Latency distributions"
      says={says}
      wide
      table={table}
      hint={both && nC ? 'Intervals of quantiles are 95 % each and for one look; the band above is the one that holds at all looks.' : undefined}
      legend={
        nS > 0 && (
          <>
            <Key kind="stable">stable, {count(nS)} requests</Key>
            {both && <Key kind="canary">canary, {count(nC)} requests</Key>}
          </>
        )
      }
    >
      <div ref={ref} class="plot">
        {width > 0 && nS > 0 && <Drawing width={width} seen={seen} all={all} both={both && nC > 0} says={says} />}
      </div>
    </Frame>
  )
}

/** Bars put together until there are about n of them, and what lies far out left out. */
function regroup(counts: number[], n: number): { sums: number[]; per: number } {
  const per = Math.max(1, Math.ceil(counts.length / n))
  const sums: number[] = []
  counts.forEach((c, i) => (sums[Math.floor(i / per)] = (sums[Math.floor(i / per)] ?? 0) + c))
  return { sums, per }
}

function Drawing({ width, seen, all, both, says }: { width: number; seen: Seen; all: Level[]; both: boolean; says: string }) {
  const narrow = width < 520
  const left = 52
  const right = width - 12
  const half = both ? 66 : 110
  const top = 8
  const middle = top + half
  const foot = middle + (both ? half : 0) + 6
  const shown = both ? all.filter(l => l.stable !== null && l.canary !== null && l.q !== 0.75) : []
  const rowsTop = foot + 48
  const rowHeight = 26
  const height = both ? rowsTop + shown.length * rowHeight + 2 : foot + 36
  const n = Math.max(seen.stable!.length, seen.canary?.length ?? 0)
  const low = seen.low_ms
  const high = Math.max(low * seen.growth ** n, low * 1.2)
  const inner = both && !narrow ? right - 270 : right
  const x = logarithmic([low, high], [left, inner])
  const a = regroup(seen.stable!, 64)
  const b = regroup(seen.canary ?? [], 64)
  const density = (sums: number[]) => {
    const t = total(sums)
    return sums.map(c => (t ? c / t : 0))
  }
  const da = density(a.sums)
  const db = density(b.sums)
  const most = Math.max(...da, ...(both ? db : [0]), 1e-9)
  const h = linear([0, most], [0, half - 6])
  const steps = (d: number[], per: number, sign: number) => {
    let path = `M${x(low).toFixed(1)} ${middle}`
    d.forEach((v, i) => {
      const y = (middle - sign * h(v)).toFixed(1)
      path += `L${x(low * seen.growth ** (i * per)).toFixed(1)} ${y}L${x(Math.min(high, low * seen.growth ** ((i + 1) * per))).toFixed(1)} ${y}`
    })
    return path + `L${x(high).toFixed(1)} ${middle}Z`
  }
  const u = unit(Math.sqrt(low * high))
  return (
    <svg width={width} height={height} role="img" aria-label={says}>
      <path class="bars stable" d={steps(da, a.per, 1)} />
      {both && <path class="bars canary" d={steps(db, b.per, -1)} />}
      <line class="zero thin" x1={left} x2={inner} y1={middle} y2={middle} />
      {both && (
        <>
          <text class="axis" x={left - 8} y={middle - 10} text-anchor="end">
            stable
          </text>
          <text class="axis" x={left - 8} y={middle + 18} text-anchor="end">
            canary
          </text>
        </>
      )}
      <Feet at={logTicks(low, high, narrow ? 4 : 7)} x={x} y={foot} label={v => digits(v * u.per)} title={`latency, ${u.name}, log axis`} x1={inner} />
      {shown.map((l, i) => {
        const y = rowsTop + i * rowHeight
        const xs = x(l.stable!)
        const xc = x(l.canary!)
        const text = l.diff ? `${signed(latency(l.diff[1]))}` : '–'
        const band = l.diff ? span(l.diff[0], l.diff[2]) : 'too few requests'
        return (
          <g key={l.q}>
            <line class="rule" x1={left} x2={inner} y1={y} y2={y} />
            <text class="axis" x={left - 8} y={y} dy="0.32em" text-anchor="end">
              {name(l.q)}
            </text>
            <line class="link" x1={xs} x2={xc} y1={y} y2={y} />
            <circle class="dot stable" cx={xs} cy={y} r="5" />
            <path class="dot canary" d={`M${xc} ${y - 6}L${xc + 6} ${y}L${xc} ${y + 6}L${xc - 6} ${y}Z`} />
            {!narrow && (
              <>
                <text class="number" x={inner + 90} y={y} dy="0.32em" text-anchor="end">
                  {text}
                </text>
                <text class="axis" x={right} y={y} dy="0.32em" text-anchor="end">
                  {band}
                </text>
              </>
            )}
          </g>
        )
      })}
    </svg>
  )
}
