// Numbers and states in words. Nothing here touches the page.
import type { Now, Standing, State } from './wire'

const nb = ' ' // no line ends between a number and its unit

/** Three digits, without an exponent where people would not write one. */
export function digits(x: number, n = 3): string {
  if (x === 0) return '0'
  const size = Math.abs(x)
  if (size >= 1e6 || size < 1e-4) return x.toExponential(n - 1).replace('e+', 'e')
  if (size >= 10 ** (n - 1)) return Math.round(x).toLocaleString('en-GB')
  return String(Number(x.toPrecision(n)))
}

/** A latency, given in ms, in the unit that people would choose. */
export function latency(ms: number): string {
  const size = Math.abs(ms)
  if (size >= 1000) return digits(ms / 1000) + nb + 's'
  if (size >= 0.1 || size === 0) return digits(ms) + nb + 'ms'
  if (size >= 0.001) return digits(ms * 1e3) + nb + 'µs'
  return digits(ms * 1e6) + nb + 'ns'
}

/** Several latencies in one unit, chosen by the largest. */
export function unit(largest: number): { name: string; per: number } {
  if (largest >= 1000) return { name: 's', per: 1e-3 }
  if (largest >= 0.1) return { name: 'ms', per: 1 }
  if (largest >= 0.001) return { name: 'µs', per: 1e3 }
  return { name: 'ns', per: 1e6 }
}

/** Two signed differences in ms, in one unit and with as many places. */
export function span(low: number, high: number): string {
  const u = unit(Math.max(Math.abs(low), Math.abs(high)))
  const most = Math.max(Math.abs(low), Math.abs(high)) * u.per
  const places = Math.max(0, 2 - Math.floor(Math.log10(most || 1)))
  const say = (v: number) => signed((v * u.per).toFixed(places))
  return `${say(low)} to ${say(high)}${nb}${u.name}`
}

export const signed = (s: string) => (s.startsWith('-') ? '−' + s.slice(1) : s.startsWith('0' + nb) ? s : '+' + s)

export const percent = (x: number, n = 3) => digits(100 * x, n) + nb + '%'

export const share = (x: number) => (100 * x).toFixed(x < 0.001 && x > 0 ? 2 : 1) + nb + '%'

export const count = (n: number) => Math.round(n).toLocaleString('en-GB')

export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return s + nb + 's'
  if (s < 600) return Math.floor(s / 60) + nb + 'min' + (s % 60 ? nb + (s % 60) + nb + 's' : '')
  const m = Math.round(s / 60)
  if (m < 60) return m + nb + 'min'
  if (m < 48 * 60) return Math.floor(m / 60) + nb + 'h' + (m % 60 ? nb + (m % 60) + nb + 'min' : '')
  return Math.round(m / 1440) + nb + 'days'
}

export const clock = (at: string | number) =>
  new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export const day = (at: string) => new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })

/** For the middle of a sentence; names stay as they are. */
const lower = (s: string) => (/^(The|Not|Nothing) /.test(s) ? s[0].toLowerCase() + s.slice(1) : s)

/** How much slower, also where it is a multiple. */
export const slower = (x: number) => (x >= 4 ? `${digits(1 + x, 2)} times as slow` : `${percent(x, 2)} slower`)

export function sentence(s: string): string {
  if (!s) return ''
  const t = s[0].toUpperCase() + s.slice(1)
  return /[.!?]$/.test(t) ? t : t + '.'
}

export const signals: Record<string, [name: string, what: string]> = {
  latency_shape: ['Latency, whole shape', 'Bets on slowdowns of the whole distribution, by 3 to 100 %.'],
  latency_centre: ['Latency, typical', 'Typical latency in windows of 10 s.'],
  latency_p99: ['Latency, slowest 1 %', 'Requests beyond stable’s 99th percentile.'],
  errors: ['Errors', 'Requests without an answer, or without one in time.'],
  score_drift: ['Scores', 'Scores, in tenths of stable’s own.'],
}

export type Kind = 'idle' | 'loading' | 'waiting' | 'broken' | 'healthy' | 'alert' | 'gone' | 'promoted'

/** How a model stands: the verdict first, in words. */
export interface Stand {
  kind: Kind
  word: string
  title: string
  sentence: string
}

export function standOf(s: State): Stand {
  const h = s.alert_status
  const canary = s.rollout?.canary.name ?? ''
  if (s.phase === 'loading') {
    return { kind: 'loading', word: 'Loading', title: `${canary} is being loaded`, sentence: 'It is compared with stable and warmed up before it gets its first request.' }
  }
  if (!s.rollout) return ended(s)
  const due = s.phase === 'due'
  const close = (stand: Stand): Stand =>
    due ? { ...stand, word: 'Decide: ' + stand.word.toLowerCase(), title: 'Time to decide: ' + lower(stand.title) } : stand
  if (h.monitor_verdict === 'invalid') {
    return close({ kind: 'broken', word: 'Not comparable', title: 'The arms cannot be compared', sentence: sentence(h.monitor_finding) })
  }
  if (h.alert_triggered) {
    const title =
      h.alert_source === 'welch' ? `${canary} looks slower at this look` : h.alarm_time ? `${canary} is worse, shown since ${clock(h.alarm_time)}` : `${canary} is worse`
    return close({ kind: 'alert', word: h.alarm_time ? 'Alarm' : 'Alert', title, sentence: sentence(h.finding) })
  }
  if (h.status === 'insufficient_data') {
    return close({ kind: 'waiting', word: 'Waiting for data', title: 'Not enough data yet', sentence: sentence(h.finding) })
  }
  if (h.monitor_verdict === 'pass') {
    return close({ kind: 'healthy', word: 'Healthy', title: `${canary} is as good as ${s.stable.name}`, sentence: sentence(h.monitor_finding) })
  }
  return close({ kind: 'healthy', word: 'Healthy so far', title: `Nothing speaks against ${canary} so far`, sentence: sentence(h.finding) })
}

/** The same for the list of all models: a shape, a word, and what comes first. */
export function brief(s: Standing): { kind: Kind; word: string; order: number } {
  if (s.phase === 'loading') return { kind: 'loading', word: 'Loading', order: 3 }
  if (!s.rollout) return { kind: 'idle', word: 'No canary', order: 4 }
  const due = s.phase === 'due' ? 'Decide: ' : ''
  const say = (kind: Kind, word: string, order: number) => ({ kind, word: due ? due + word.toLowerCase() : word, order: due ? Math.min(order, 1) : order })
  if (s.monitor_verdict === 'invalid') return say('broken', 'Not comparable', 0)
  if (s.status === 'alert') return say('alert', s.alarm_time ? 'Alarm' : 'Alert', 0)
  if (s.status === 'insufficient_data') return say('waiting', 'Waiting for data', 2)
  return say('healthy', s.monitor_verdict === 'pass' ? 'Healthy' : 'Healthy so far', 2)
}

function ended(s: State): Stand {
  const all = `${s.stable.name} answers every request.`
  const l = s.last
  if (!l) return { kind: 'idle', word: 'No canary', title: 'No canary is on trial', sentence: all + ' Deploy a version to compare it.' }
  const by = l.actor === 'serin' ? 'by plan' : `by ${l.actor}`
  const why = l.reason ? ' ' + sentence(l.reason) : ''
  switch (l.event) {
    case 'promote':
      return { kind: 'promoted', word: 'Promoted', title: `${l.version} was promoted ${by}`, sentence: `${all}${why}` }
    case 'refused':
      return { kind: 'gone', word: 'Refused', title: `${l.version} was refused`, sentence: (why || ' It could not be loaded.').trim() + ' ' + all }
    case 'crash':
      return { kind: 'gone', word: 'Quarantined', title: `${l.version} crashed the process`, sentence: `${all}${why}` }
    default:
      return { kind: 'gone', word: 'Rolled back', title: `${l.version} was rolled back ${by}`, sentence: `${all}${why}` }
  }
}

export const split = (s: State) => s.phase === 'canary' || s.phase === 'due'

export const atEnd: Record<string, string> = {
  hold: 'the split stays until somebody decides',
  promote: 'it is promoted if it has passed',
  rollback: 'it is rolled back',
}

export const onAlarm: Record<string, string> = {
  hold: 'an alarm waits for somebody to decide',
  rollback: 'a confirmed alarm rolls it back by itself',
}

/** The typical latency of stable in ms that ratios of a look refer to. */
export function typical(ms: number | null, ratio: number | null): number | null {
  return ms !== null && ratio !== null && ratio !== 1 ? ms / (ratio - 1) : null
}

export const titleOf = (n: Now | undefined) => (n ? `${standOf(n.state).word} · ${n.state.model} · serin` : 'serin')
