// What can be done, and what will happen if it is. Rollback alone does not ask.
import type { ComponentChildren } from 'preact'
import { useContext, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Acting, actor, post, remember, upload, type Answer } from './call'
import { atEnd, duration, onAlarm, percent, share, split, standOf } from './words'
import type { Now } from './wire'

type Ask = 'deploy' | 'promote' | 'drill' | 'share' | null

interface Props {
  now: Now
  base: string
  /** Set while the server is not heard: what is shown may be old. */
  stale: boolean
  say: (a: Answer) => void
}

export function Actions({ now, base, stale, say }: Props) {
  const [ask, set] = useState<Ask>(null)
  const [busy, setBusy] = useState(false)
  const s = now.state
  const live = split(s)
  const { kind } = standOf(s)
  const bad = kind === 'alert' || kind === 'broken'
  const rollback = async () => {
    setBusy(true)
    say(await post(base + '/rollback-canary', {}))
    setBusy(false)
  }
  const { name, release } = useContext(Acting)
  if (!release) return <p class="second">The key {name} may look and not act.</p>
  const close = () => set(null)
  const done = (a: Answer) => {
    if (a.ok) {
      close()
      say(a)
    }
  }
  return (
    <div class="actions" role="group" aria-label="Actions">
      {(live || s.phase === 'loading') && (
        <button type="button" class={bad ? 'danger' : undefined} disabled={busy} onClick={rollback}>
          {busy ? 'Rolling back …' : 'Roll back'}
        </button>
      )}
      {live && (
        <>
          <button type="button" onClick={() => set('promote')}>
            Promote …
          </button>
          <button type="button" onClick={() => set('share')}>
            Share …
          </button>
          <button type="button" onClick={() => set('drill')}>
            {s.simulate_slowdown ? 'End drill …' : 'Drill …'}
          </button>
        </>
      )}
      {!live && s.phase !== 'loading' && (
        <button type="button" class="primary" onClick={() => set('deploy')}>
          Deploy …
        </button>
      )}
      {ask === 'deploy' && <Deploy {...{ now, base, stale, close, done }} />}
      {ask === 'promote' && <Promote {...{ now, base, stale, close, done }} />}
      {ask === 'share' && <Reweigh {...{ now, base, stale, close, done }} />}
      {ask === 'drill' && <Drill {...{ now, base, stale, close, done }} />}
    </div>
  )
}

interface DialogProps {
  now: Now
  base: string
  stale: boolean
  close: () => void
  done: (a: Answer) => void
}

interface ConfirmProps {
  title: string
  verb: string
  danger?: boolean
  stale: boolean
  close: () => void
  act: () => Promise<Answer>
  done: (a: Answer) => void
  refused?: (a: Answer) => void
  children: ComponentChildren
}

/** A question with what will happen; it stays open while the answer is no. */
function Confirm({ title, verb, danger, stale, close, act, done, refused, children }: ConfirmProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const [busy, setBusy] = useState(false)
  const [wrong, setWrong] = useState('')
  const [who, setWho] = useState(actor())
  const { name } = useContext(Acting)
  useLayoutEffect(() => ref.current?.showModal(), []) // before anything else gets a key
  const submit = async (e: Event) => {
    e.preventDefault()
    remember(who)
    setBusy(true)
    setWrong('')
    const a = await act()
    setBusy(false)
    done(a)
    if (!a.ok) {
      setWrong(a.text)
      refused?.(a)
    }
  }
  return (
    <dialog ref={ref} aria-labelledby="dialog-title" onClose={close} onCancel={e => busy && e.preventDefault()}>
      <form onSubmit={submit} method="dialog">
        <h2 id="dialog-title">{title}</h2>
        {children}
        {name ? (
          <p class="hint">The journal will say that {name} did it.</p>
        ) : (
          <label class="field">
            <span>Your name, for the journal</span>
            <input type="text" value={who} maxLength={40} autocomplete="name" placeholder="dashboard" onInput={e => setWho(e.currentTarget.value)} />
          </label>
        )}
        {stale && <p class="wrong">The server is not heard at the moment, so what this page shows may be old.</p>}
        {wrong && (
          <p class="wrong" role="alert">
            {wrong}
          </p>
        )}
        <div class="buttons">
          <button type="button" disabled={busy} onClick={() => ref.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy}>
            {busy ? 'One moment …' : verb}
          </button>
        </div>
      </form>
    </dialog>
  )
}

function Reason({ value, set, needed }: { value: string; set: (s: string) => void; needed?: boolean }) {
  return (
    <label class="field">
      <span>Why{needed ? '' : ' (optional)'}</span>
      <input type="text" value={value} required={needed} maxLength={300} onInput={e => set(e.currentTarget.value)} />
    </label>
  )
}

function Deploy({ now, base, stale, close, done }: DialogProps) {
  const plan = now.plan
  const [from, setFrom] = useState<'path' | 'file'>('path')
  const [path, setPath] = useState('')
  const [weight, setWeight] = useState(String(Number((100 * plan.weight).toFixed(2))))
  const [period, setPeriod] = useState(short(plan.period_seconds))
  const [atEndIs, setAtEnd] = useState(plan.at_end)
  const [onAlarmIs, setOnAlarm] = useState(plan.on_alarm)
  const [tolerance, setTolerance] = useState(String(Number((100 * plan.tolerance).toFixed(2))))
  const [settle, setSettle] = useState(short(plan.initial_delay_seconds))
  const [least, setLeast] = useState(String(plan.min_samples))
  const [reason, setReason] = useState('')
  const [quarantined, setQuarantined] = useState(false)
  const [force, setForce] = useState(false)
  const [sent, setSent] = useState<number | null>(null)
  const model = useRef<HTMLInputElement>(null)
  const golden = useRef<HTMLInputElement>(null)
  const act = async () => {
    const policy = { at_end: atEndIs, on_alarm: onAlarmIs, tolerance: Number(tolerance) / 100, initial_delay: settle, min_samples: Number(least) }
    const options = { weight: Number(weight) / 100, duration: period, policy, ...(force && { force }), ...(reason && { reason }) }
    if (from === 'path') return post(base + '/deploy-canary', { ...options, model_path: path })
    const form = new FormData()
    form.append('options', JSON.stringify(options))
    const row = golden.current?.files?.[0]
    if (row) form.append('golden', row)
    form.append('model', model.current!.files![0]) // the server wants it last
    const a = await upload(base + '/deploy-canary', form, setSent)
    setSent(null)
    return a
  }
  return (
    <Confirm
      title="Deploy a canary"
      verb={force ? 'Deploy all the same' : 'Deploy'}
      danger={force}
      refused={a => setQuarantined(a.code === 'version_quarantined')}
      {...{ stale, close, done, act }}
    >
      <div class="segmented" role="group" aria-label="Where the file is">
        <button type="button" aria-pressed={from === 'path'} onClick={() => setFrom('path')}>
          On the server
        </button>
        <button type="button" aria-pressed={from === 'file'} onClick={() => setFrom('file')}>
          Upload
        </button>
      </div>
      {from === 'path' ? (
        <label class="field">
          <span>Path, as the server sees it</span>
          <input type="text" value={path} required placeholder="models/model_v2.joblib" spellcheck={false} onInput={e => setPath(e.currentTarget.value)} />
        </label>
      ) : (
        <>
          <label class="field">
            <span>Model file</span>
            <input type="file" ref={model} required />
          </label>
          <label class="field">
            <span>Golden predictions (optional), one JSON object a line</span>
            <input type="file" ref={golden} />
          </label>
          {sent !== null && (
            <label class="field">
              <span>{sent < 1 ? `${percent(sent, 2)} sent` : 'Sent; it is being loaded'}</span>
              <progress max="1" value={sent} />
            </label>
          )}
        </>
      )}
      <div class="pair">
        <label class="field">
          <span>Share of the requests, %</span>
          <input type="number" value={weight} required min="0.01" max="100" step="0.01" onInput={e => setWeight(e.currentTarget.value)} />
        </label>
        <label class="field">
          <span>For how long</span>
          <input type="text" value={period} required pattern={durations} title="like 1h, 90m or 30s" onInput={e => setPeriod(e.currentTarget.value)} />
        </label>
      </div>
      <details>
        <summary>How it is judged</summary>
        <div class="pair">
          <Choice name="At the end" value={atEndIs} set={setAtEnd} of={['hold', 'promote', 'rollback']} />
          <Choice name="On an alarm" value={onAlarmIs} set={setOnAlarm} of={['hold', 'rollback']} />
          <label class="field">
            <span>Slowdown that a pass must rule out, %</span>
            <input type="number" value={tolerance} required min="0.01" max="1000" step="0.01" onInput={e => setTolerance(e.currentTarget.value)} />
          </label>
          <label class="field">
            <span>Fewest requests of each</span>
            <input type="number" value={least} required min="2" max="1000000000" step="1" onInput={e => setLeast(e.currentTarget.value)} />
          </label>
          <label class="field">
            <span>Not judged while it settles</span>
            <input type="text" value={settle} required pattern={durations} title="like 2m or 0s" onInput={e => setSettle(e.currentTarget.value)} />
          </label>
        </div>
      </details>
      {quarantined && (
        <label class="check">
          <input type="checkbox" checked={force} onInput={e => setForce(e.currentTarget.checked)} /> Deploy it although it is quarantined
        </label>
      )}
      <Reason value={reason} set={setReason} needed={force} />
      <p class="happens">
        The file is opened as data, compared with {now.state.stable.name} (features, classes) and warmed up. Then it gets {weight || '…'} % of the requests for{' '}
        {period || '…'} of serving time. During it, {onAlarm[onAlarmIs]}. At its end, {atEnd[atEndIs]}. {now.state.stable.name} stays loaded all the while.
      </p>
    </Confirm>
  )
}

/** What the server reads as a duration, roughly. */
const durations = '([0-9.]+(h|m|s))+'

function Choice({ name, value, set, of }: { name: string; value: string; set: (s: string) => void; of: string[] }) {
  return (
    <label class="field">
      <span>{name}</span>
      <select value={value} onInput={e => set(e.currentTarget.value)}>
        {of.map(v => (
          <option key={v} value={v}>
            {v === 'rollback' ? 'roll back' : v}
          </option>
        ))}
      </select>
    </label>
  )
}

/** Seconds as the server reads a duration. */
function short(s: number): string {
  if (s % 3600 === 0) return s / 3600 + 'h'
  return s % 60 === 0 ? s / 60 + 'm' : s + 's'
}

function Promote({ now, base, stale, close, done }: DialogProps) {
  const [force, setForce] = useState(false)
  const [refused, setRefused] = useState(false)
  const [reason, setReason] = useState('')
  const s = now.state
  const canary = s.rollout?.canary.name ?? 'The canary'
  const stand = standOf(s)
  const act = () => post(base + '/promote-canary', { ...(force && { force }), ...(reason && { reason }) })
  return (
    <Confirm title={`Promote ${canary}`} verb={force ? 'Promote all the same' : 'Promote'} danger={force} refused={() => setRefused(true)} {...{ stale, close, done, act }}>
      <p>
        <strong>{stand.word}.</strong> {stand.sentence}
      </p>
      <p class="happens">
        It is judged once more, now. If it passes, {canary} becomes stable and answers every request, and {s.stable.name} is unloaded. The way back is to deploy{' '}
        {s.stable.name} again.
      </p>
      {refused && (
        <label class="check">
          <input type="checkbox" checked={force} onInput={e => setForce(e.currentTarget.checked)} /> Promote whatever the verdict is
        </label>
      )}
      <Reason value={reason} set={setReason} needed={force} />
    </Confirm>
  )
}

function Reweigh({ now, base, stale, close, done }: DialogProps) {
  const r = now.state.rollout
  const [weight, setWeight] = useState(String(Number((100 * (r?.weight ?? 0.1)).toFixed(2))))
  const [reason, setReason] = useState('')
  const act = () => post(base + '/canary-weight', { weight: Number(weight) / 100, ...(reason && { reason }) })
  return (
    <Confirm title="Change the canary’s share" verb="Change" {...{ stale, close, done, act }}>
      <label class="field">
        <span>Share of the requests, %</span>
        <input type="number" value={weight} required min="0.01" max="100" step="0.01" onInput={e => setWeight(e.currentTarget.value)} />
      </label>
      <Reason value={reason} set={setReason} />
      <p class="happens">
        {r?.canary.name} gets {weight || '…'} % of the requests instead of {share(r?.weight ?? 0)}, at once. What was seen until now stays evidence and is judged apart; the
        period goes on, {duration(r?.remaining_seconds ?? 0)} are left.
      </p>
    </Confirm>
  )
}

function Drill({ now, base, stale, close, done }: DialogProps) {
  const on = now.state.simulate_slowdown
  const canary = now.state.rollout?.canary.name
  return (
    <Confirm title={on ? 'End the drill' : 'Start a drill'} verb={on ? 'End it' : 'Start it'} act={() => post(base + '/toggle-slowdown')} {...{ stale, close, done }}>
      <p class="happens">
        {on
          ? `${canary} answers at its own pace again. What was observed during the drill stays evidence.`
          : `Each prediction of ${canary} is slowed down on purpose, for real clients, so that the alert can be seen to work. It ends when you end it, or with the rollout. This rollout’s verdict will say that it was drilled, so do not promote on it.`}
      </p>
    </Confirm>
  )
}
