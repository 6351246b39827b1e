// Data that no server sent: one release as it might have gone, cut off where a
// view needs it. The same every time.
import type { View } from '../live'
import type { Arm, Final, Judgement, Moment, Now, Plan, Point, Rollout, Seen, Standing, State, Version } from '../wire'

const noon = Date.parse('2026-11-23T14:00:00Z')

const at = (t: number) => new Date(noon + t * 1000).toISOString()

/** A generator of numbers between 0 and 1 that is always the same. */
function dice(seed: number): () => number {
  let s = seed
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return s / 2 ** 32
  }
}

const version = (name: string, digest: string): Version => ({ name, path: `models/${name}.joblib`, sha256: digest.padEnd(64, '0'), size_bytes: 18440 })

export const plan: Plan = {
  weight: 0.1, period_seconds: 3600, at_end: 'hold', on_alarm: 'hold', min_samples: 20, alpha: 0.05, min_effect_ms: 0.1,
  min_slowdown: 0.02, tolerance: 0.1, min_drift: 0.2, initial_delay_seconds: 120,
}

/** What a release is like: how much slower the canary is, and what was seen. */
export interface Tale {
  model?: string
  stable?: string
  canary?: string
  slower: number
  seconds: number
  perSecond?: number
  failures?: number
  drift?: number
}

const base = 12 // ms, stable's typical latency
const spread = 0.32 // of ln latency

function points(t: Tale): Point[] {
  const roll = dice(7)
  const out: Point[] = []
  const rate = t.perSecond ?? 40
  let wander = 0
  for (let s = 10, n = 1; s <= t.seconds; s += 10, n++) {
    const canary = Math.round(rate * 0.1 * s)
    const judged = Math.max(0, canary - rate * 0.1 * plan.initial_delay_seconds)
    const se = judged ? spread / Math.sqrt(judged) : 0
    wander = 0.97 * wander + 0.24 * (roll() - 0.5)
    const diff = Math.log1p(t.slower) + wander * se
    const reach = se * Math.sqrt(2 * Math.log(Math.sqrt(judged / 250 + 1) / 0.025) * (1 + 1 / (judged / 250 + 0.2)))
    const some = judged > 0
    const ratio = [Math.exp(diff - reach), Math.exp(diff), Math.exp(diff + reach)]
    const ms = ratio.map(r => base * (r - 1))
    const fails = Math.round((t.failures ?? 0) * (s / t.seconds))
    const z = (diff - 0.02) / (se || 1)
    const log = some ? Math.max(-1.5, (z * Math.abs(z) * judged) / (2 * (judged + 250)) - 0.5 * Math.log(judged / 250 + 1)) : 0
    out.push({
      n, at: at(s), t: s, verdict: log >= 3 ? 'fail' : 'insufficient',
      ratio: some ? ratio[1] : null, ratio_lower: some ? ratio[0] : null, ratio_upper: some ? ratio[2] : null,
      ms: some ? ms[1] : null, ms_lower: some ? ms[0] : null, ms_upper: some ? ms[2] : null,
      smallest: some ? 0.02 + 3.1 * se : null, share: 0.1 + 0.012 * (roll() - 0.5) / Math.sqrt(n), planned: 0.1,
      stable: 9 * canary, canary, stable_failures: Math.round(fails / 2), canary_failures: fails, drift: (t.drift ?? 0.03) + 0.4 / Math.sqrt(canary + 1), log_e: log,
    })
  }
  return out
}

/** Bars of a log-normal, with a second hump for what waits for a lock. */
function bars(n: number, slower: number, growth: number, low: number, many: number): number[] {
  const normal = (x: number, mean: number, sd: number) => Math.exp(-0.5 * ((x - mean) / sd) ** 2) / sd
  return Array.from({ length: n }, (_, i) => {
    const x = Math.log(low) + (i + 0.5) * Math.log(growth)
    const centre = Math.log(base * (1 + slower))
    return Math.round(many * Math.log(growth) * 0.3989 * (0.94 * normal(x, centre, spread) + 0.06 * normal(x, centre + 1.2, 0.28)))
  })
}

const sum = (c: number[]) => c.reduce((a, b) => a + b, 0)

function seen(t: Tale, canaries: number, stables: number): Seen {
  const growth = 1.038
  const low = 3
  const stable = bars(84, 0, growth, low, stables)
  const canary = bars(84, t.slower, growth, low, canaries)
  const quantile = (c: number[], q: number) => {
    const all = sum(c)
    if (!all) return null
    let below = 0
    for (let i = 0; i < c.length; i++) {
      if (below + c[i] >= q * all) return low * growth ** (i + (q * all - below) / c[i])
      below += c[i]
    }
    return low * growth ** c.length
  }
  const scores = (shift: number, n: number) =>
    Array.from({ length: 34 }, (_, i) => Math.round(n * (0.12 * Math.exp(-0.5 * ((i - 15 - shift) / 2.4) ** 2) + 0.03 * Math.exp(-0.5 * ((i - 20 - shift) / 1.5) ** 2))))
  return {
    low_ms: low, growth, stable, canary: canaries ? canary : [],
    quantiles: stables ? [0.5, 0.75, 0.9, 0.95, 0.99, 0.999].map(q => ({ q, stable_ms: quantile(stable, q), canary_ms: quantile(canary, q) })) : [],
    stable_scores: scores(0, stables), canary_scores: canaries ? scores(t.drift ? 2.5 : 0.1, canaries) : [],
  }
}

function arm(count: number, failures: number, slower: number): Arm {
  const k = count ? 1 + slower : 0
  return { count, failures, panics: Math.floor(failures / 2), deadlines: Math.floor(failures / 3), abandoned: 0, unfinished: count ? 1 : 0, mean_ms: 13 * k, p50_ms: base * k, p95_ms: 22 * k, p99_ms: 41 * k }
}

function judgement(t: Tale, p: Point | undefined): Judgement {
  const e = p?.log_e ?? 0
  const alarm = e >= 4
  const part = (k: number) => Math.max(-0.6, e * k)
  const canary = p?.canary ?? 0
  const stable = p?.stable ?? 0
  const shown = !alarm && !!p && p.ratio_upper !== null && p.ratio_upper < 1.1
  const drifted = (t.drift ?? 0) > 0.2
  const signal = (name: string, log: number, need: number, effect: number, floor: number, unit: string, a: number, b: number) => ({
    name, log_e: log, log_threshold: need, alarm: log >= need, stable: b, canary: a, effect, floor, unit,
  })
  return {
    verdict: alarm ? 'fail' : shown ? 'pass' : 'insufficient',
    sentence: alarm
      ? `the canary is typically ${(p!.ms ?? 0).toPrecision(3)} ms slower (${p!.ms_lower!.toPrecision(3)} ms to ${p!.ms_upper!.toPrecision(3)} ms with 95 % confidence), shown after ${canary} canary and ${stable} stable requests by latency shape, overall`
      : shown
        ? `the canary is less than 10 % slower: its typical latency is ${(100 * p!.ratio!).toFixed(1)} % (${(100 * p!.ratio_lower!).toFixed(1)} % to ${(100 * p!.ratio_upper!).toFixed(1)} %) of stable's, shown after ${canary} canary and ${stable} stable requests`
        : `no verdict yet after ${canary} canary and ${stable} stable requests${p?.smallest ? `: a typical latency of ${(100 * (1 + p.smallest)).toFixed(1)} % of stable's would have been seen by now; if the canary is as fast as stable, that is shown in about 6m40s` : ": a canary's latencies are not judged in its first 2m0s"}`,
    alarms: alarm ? ['latency_shape', 'overall'] : [], confirmed: alarm, log_e: e, log_threshold: 3,
    signals: [
      signal('latency_shape', part(1), 3.91, p?.ms ?? 0, 0.1, 'ms', canary, stable),
      signal('latency_centre', part(0.55), 5.3, p?.ms ?? 0, 0.1, 'ms', canary, stable),
      signal('latency_p99', part(0.4), 4.89, 1.4 * (p?.ms ?? 0), 0.1, 'ms', canary, stable),
      signal('errors', t.failures ? 2.1 : -0.2, 4.6, 0, 0, 'share of requests', 0, 0),
      signal('score_drift', drifted ? 9 : 0.3, 4.89, p?.drift ?? 0, 0.2, 'PSI', canary, stable),
    ],
    promote: { log_e: shown ? 6.2 : Math.max(0, 2.4 - Math.max(0, e)), log_threshold: 3, tolerance: 0.1, shown, missing: shown || alarm ? '' : p?.smallest ? 'too few canary requests to have seen its slowest ones' : "a canary's latencies are not judged in its first 2m0s" },
    guard: { log_e: -1.8, log_threshold: 6.9, planned: canary ? 0.1 : 0, observed: canary ? (p?.share ?? 0) : 0 },
    ratio: p?.ratio ?? 1, ratio_lower: p?.ratio_lower ?? 1, ratio_upper: p?.ratio_upper ?? 1,
    difference_ms: p?.ms ?? 0, difference_lower_ms: p?.ms_lower ?? 0, difference_upper_ms: p?.ms_upper ?? 0,
    smallest_slowdown: p?.smallest ?? null, expected_seconds: shown || alarm ? null : 400,
    stable: arm(stable, p?.stable_failures ?? 0, 0), canary: arm(canary, p?.canary_failures ?? 0, t.slower),
  }
}

function event(seq: number, t: number, e: Partial<Moment>): Moment {
  return { seq, at: at(t), event: '', actor: 'serin', reason: '', rollout: 'r7', stable: 'model_v1', canary: 'model_v2', weight: 0.1, drill: false, verdict: '', sentence: '', numbers: null, ...e }
}

const beginning = [
  event(41, 0, { event: 'loaded' }),
  event(40, -2, { event: 'deploy', actor: 'ana', reason: 'retrained on October' }),
  event(39, -86400, { event: 'rollback', actor: 'bo', rollout: 'r6', canary: 'model_v2_rc1', reason: 'wrong features' }),
  event(38, -90000, { event: 'loaded', rollout: 'r6', canary: 'model_v2_rc1' }),
  event(1, -400000, { event: 'install', rollout: '', canary: '' }),
]

function ground(p: Point, j: Judgement, verdict: string): Partial<Moment> {
  return {
    verdict, sentence: j.sentence,
    numbers: { elapsed_seconds: p.t, stable: p.stable, canary: p.canary, p_value: 3e-9, ratio: j.ratio, ratio_lower: j.ratio_lower, ratio_upper: j.ratio_upper, log_e: j.log_e },
  }
}

/** A release in progress. */
export function live(t: Tale): View & { now: Now } {
  const all = points(t)
  const p = all.at(-1)
  const j = judgement(t, p)
  const first = all.find(x => x.log_e >= 4)
  const canary = p?.canary ?? 0
  const stable = p?.stable ?? 0
  const due = t.seconds >= plan.period_seconds
  const enough = canary >= 20
  const alert = !!first
  const names = { model: t.model ?? 'churn', stable: t.stable ?? 'model_v1', canary: t.canary ?? 'model_v2' }
  const rollout: Rollout = {
    id: 'r7', canary: version(names.canary, '949fb4b8021e'), weight: 0.1, period_seconds: 3600, elapsed_seconds: Math.min(3600, t.seconds),
    remaining_seconds: Math.max(0, 3600 - t.seconds), started: at(0), at_end: 'hold', before: null,
  }
  const state: State = {
    model: names.model, phase: due ? 'due' : 'canary', generation: 41, stable: version(names.stable, 'bda88f754e46'), rollout, last: null, simulate_slowdown: false,
    canary_metrics: { stable: { latencies_ms: j.stable }, canary: { latencies_ms: j.canary } },
    alert_status: {
      alert_triggered: alert, alert_source: alert ? 'both' : 'none', status: alert ? 'alert' : enough ? 'healthy' : 'insufficient_data',
      verdict: alert ? 'fail' : enough ? 'pass' : 'insufficient',
      finding: alert
        ? j.sentence
        : enough
          ? `the canary is not significantly slower: its mean differs by 0.0412 ms (-0.31 ms to 0.392 ms with 95 % confidence, p = 0.82) after ${canary} canary and ${stable} stable requests`
          : `not enough data: ${canary} canary and ${stable} stable requests were observed, 20 of each are needed`,
      p_value: alert ? 3e-9 : 0.82, stable_avg_latency_ms: 13, canary_avg_latency_ms: 13 * (1 + t.slower), difference_ms: 13 * t.slower,
      difference_lower_ms: 0, difference_upper_ms: 0, samples: { stable, canary }, min_samples: 20, alpha: 0.05, look: 3,
      elapsed_seconds: t.seconds, remaining_seconds: Math.max(0, 3600 - t.seconds), drilled: false,
      monitor_verdict: j.verdict, monitor_finding: j.sentence, monitor_look: all.length, alarm_time: first ? first.at : '', monitor: j,
    },
  }
  const journal = [...beginning]
  if (first) journal.unshift(event(42, first.t, { event: 'alarm', ...ground(first, judgement(t, first), 'fail') }))
  if (due) journal.unshift(event(43, 3600, { event: 'period-over', ...ground(p!, j, j.verdict) }))
  return {
    now: { at: at(t.seconds), serin: '1.0.0', saved: at(t.seconds - 1), here: '', state, plan, seen: seen(t, canary, stable) },
    rollout: 'r7', points: all, journal, models: [], replicas: [], heard: 1, missing: false, locked: false,
  }
}

/** The same, after somebody has decided. */
export function decided(t: Tale, what: 'rollback' | 'promote', reason: string): View & { now: Now } {
  const v = live(t)
  const s = v.now.state
  const p = v.points.at(-1)!
  const j = s.alert_status.monitor
  const canary = s.rollout!.canary
  const final: Final = {
    welch: { verdict: j.verdict, sentence: s.alert_status.finding, p_value: s.alert_status.p_value, difference_ms: 0, difference_lower_ms: 0, difference_upper_ms: 0, stable: j.stable, canary: j.canary },
    monitor: j, elapsed_seconds: p.t, seen: v.now.seen,
  }
  const stable = what === 'promote' ? canary : s.stable
  const ended = event(44, p.t + 4, { event: what, actor: 'ana', reason, stable: stable.name, canary: canary.name, ...ground(p, j, j.verdict) })
  return {
    ...v, final, journal: [ended, ...v.journal],
    now: {
      ...v.now, seen: seen({ slower: 0, seconds: 0 }, 0, 1200),
      state: { ...s, phase: 'idle', stable, rollout: null, last: { rollout: 'r7', version: canary.name, event: what, actor: 'ana', at: at(p.t + 4), reason }, alert_status: { ...s.alert_status, status: 'no_canary', alert_triggered: false } },
    },
  }
}

/** Many models, each as far as the others are not. */
export function many(n: number): Standing[] {
  const roll = dice(3)
  const names = ['churn', 'fraud', 'pricing', 'ranking', 'spam', 'ltv', 'eta', 'demand', 'credit', 'support-routing']
  return Array.from({ length: n }, (_, i) => {
    const v = live({ slower: i === 1 ? 0.17 : i === 4 ? 0.02 : -0.01 + 0.02 * roll(), seconds: i === 2 ? 3600 : 60 + Math.round(2400 * roll()), model: names[i % 10] + (i < 10 ? '' : '-' + Math.floor(i / 10)) })
    const s = v.now.state
    const h = s.alert_status
    const idle = i % 5 === 3
    return {
      model: s.model, phase: idle ? 'idle' : i === 6 ? 'loading' : s.phase, stable: s.stable, rollout: idle ? null : s.rollout, status: idle ? 'no_canary' : h.status, finding: h.finding,
      requests: idle ? { stable: 0, canary: 0 } : h.samples, simulate_slowdown: false, monitor_verdict: i === 8 ? 'invalid' : h.monitor_verdict, alarm_time: h.alarm_time,
      ratio: h.monitor.ratio, ratio_lower: h.monitor.ratio_lower, ratio_upper: h.monitor.ratio_upper,
    }
  })
}

/** A server that has just begun. */
export function fresh(): View & { now: Now } {
  const v = live({ slower: 0, seconds: 0 })
  const s = v.now.state
  return { ...v, points: [], rollout: '', journal: beginning.slice(-1), now: { ...v.now, seen: seen({ slower: 0, seconds: 0 }, 0, 0), state: { ...s, phase: 'idle', rollout: null } } }
}
