// What the server sends, as internal/api writes it. Only what is shown is here.

export interface Version {
  name: string
  path: string
  sha256: string
  size_bytes: number
}

export interface Arm {
  count: number
  failures: number
  panics: number
  deadlines: number
  abandoned: number
  unfinished: number
  mean_ms: number
  p50_ms: number
  p95_ms: number
  p99_ms: number
}

export interface Signal {
  name: string
  log_e: number
  log_threshold: number
  alarm: boolean
  stable: number
  canary: number
  effect: number
  floor: number
  unit: string
}

export interface Judgement {
  verdict: string
  sentence: string
  alarms: string[]
  confirmed: boolean
  log_e: number
  log_threshold: number
  signals: Signal[]
  promote: { log_e: number; log_threshold: number; tolerance: number; shown: boolean; missing: string }
  guard: { log_e: number; log_threshold: number; planned: number; observed: number }
  ratio: number
  ratio_lower: number
  ratio_upper: number
  difference_ms: number
  difference_lower_ms: number
  difference_upper_ms: number
  smallest_slowdown: number | null
  expected_seconds: number | null
  stable: Arm
  canary: Arm
}

export interface Welch {
  verdict: string
  sentence: string
  p_value: number
  difference_ms: number
  difference_lower_ms: number
  difference_upper_ms: number
  stable: Arm
  canary: Arm
}

export interface Health {
  alert_triggered: boolean
  alert_source: 'none' | 'welch' | 'monitor' | 'both'
  status: 'no_canary' | 'insufficient_data' | 'healthy' | 'alert'
  verdict: string
  finding: string
  p_value: number
  stable_avg_latency_ms: number
  canary_avg_latency_ms: number
  difference_ms: number
  difference_lower_ms: number
  difference_upper_ms: number
  samples: { stable: number; canary: number }
  min_samples: number
  alpha: number
  look: number
  elapsed_seconds: number
  remaining_seconds: number
  drilled: boolean
  monitor_verdict: string
  monitor_finding: string
  monitor_look: number
  alarm_time: string
  monitor: Judgement
}

export interface Rollout {
  id: string
  canary: Version
  weight: number
  period_seconds: number
  elapsed_seconds: number
  remaining_seconds: number
  started: string | null
  at_end: string
  before: { rollout: string; at: string; reason: string; quarantined: boolean } | null
}

export interface State {
  model: string
  phase: '' | 'idle' | 'loading' | 'canary' | 'due'
  generation: number
  stable: Version
  rollout: Rollout | null
  last: { rollout: string; version: string; event: string; actor: string; at: string; reason: string } | null
  simulate_slowdown: boolean
  alert_status: Health
  canary_metrics: { stable: { latencies_ms: Arm }; canary: { latencies_ms: Arm } }
}

export interface Plan {
  weight: number
  period_seconds: number
  at_end: string
  on_alarm: string
  min_samples: number
  alpha: number
  min_effect_ms: number
  min_slowdown: number
  tolerance: number
  min_drift: number
  initial_delay_seconds: number
}

export interface Seen {
  low_ms: number
  growth: number
  stable: number[] | null
  canary: number[] | null
  quantiles: { q: number; stable_ms: number | null; canary_ms: number | null }[] | null
  stable_scores: number[] | null
  canary_scores: number[] | null
}

/** Whom the page is shown to; the name is "" where the server asks for no key. */
export interface Who {
  name: string
  release: boolean
}

/** One of those who share a store. */
export interface Replica {
  /** What follows the last slash tells processes of one name apart. */
  name: string
  self: boolean
  live: boolean
  heard: string
  address: string
  models: Record<string, { generation: number; here?: string }>
}

export interface Now {
  at: string
  serin: string
  saved: string | null
  here: string
  state: State
  plan: Plan
  seen: Seen
}

export interface Point {
  n: number
  at: string
  t: number
  verdict: string
  ratio: number | null
  ratio_lower: number | null
  ratio_upper: number | null
  ms: number | null
  ms_lower: number | null
  ms_upper: number | null
  smallest: number | null
  share: number
  planned: number
  stable: number
  canary: number
  stable_failures: number
  canary_failures: number
  drift: number
  log_e: number
}

/** One model in the list of all. */
export interface Standing {
  model: string
  phase: State['phase']
  stable: Version
  rollout: Rollout | null
  status: Health['status']
  finding: string
  requests: { stable: number; canary: number }
  simulate_slowdown: boolean
  monitor_verdict: string
  alarm_time: string
  ratio: number
  ratio_lower: number
  ratio_upper: number
}

export interface Final {
  welch: Welch
  monitor: Judgement
  elapsed_seconds: number
  seen: Seen
}

export interface Past {
  rollout: string
  reset: boolean
  points: Point[]
  final?: Final
}

export interface Moment {
  seq: number
  at: string
  event: string
  actor: string
  reason: string
  rollout: string
  stable: string
  canary: string
  weight: number
  drill: boolean
  verdict: string
  sentence: string
  numbers: {
    elapsed_seconds: number
    stable: number
    canary: number
    p_value: number
    ratio: number
    ratio_lower: number
    ratio_upper: number
    log_e: number
  } | null
}
