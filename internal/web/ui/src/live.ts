// The stream of one model, and whether what it said last is still true.
import { useEffect, useState } from 'preact/hooks'
import type { Final, Moment, Now, Past, Point, Replica, Standing, Who } from './wire'

/** What is known. heard is when the server was heard last, by performance.now(). */
export interface View {
  who?: Who
  /** The server asks who this is: there was no key, or it is good no more. */
  locked: boolean
  now?: Now
  rollout: string
  points: Point[]
  final?: Final
  journal: Moment[]
  /** All models; empty until they are known to be several. */
  models: Standing[]
  /** Those who share the store; null while it is not heard, empty for a server alone. */
  replicas: Replica[] | null
  heard: number
  missing: boolean
}

export const nothing: View = { rollout: '', points: [], journal: [], models: [], replicas: [], heard: 0, missing: false, locked: false }

/** After this long without a word, in ms, what is shown is called stale. */
export const patience = 3500

/** merge adds looks to those that are known. */
export function merge(v: View, m: Past): View {
  const fresh = m.reset || m.rollout !== v.rollout
  const points = fresh ? m.points : m.points.length ? [...v.points, ...m.points] : v.points
  return { ...v, rollout: m.rollout, points, final: m.final ?? (fresh ? undefined : v.final) }
}

/**
 * Follows a stream for as long as the page is visible. A browser retries only
 * what broke off, and not what was refused, so trying again is done here.
 */
export function useLive(url: string | null): View {
  const [view, set] = useState<View>(nothing)
  useEffect(() => {
    set(nothing)
    if (!url) return
    let source: EventSource | undefined
    let timer = 0
    let wait = 500
    const close = () => {
      source?.close()
      source = undefined
      clearTimeout(timer)
    }
    // A model that is not there does not say which are.
    const others = async () => {
      try {
        const res = await fetch('admin/models')
        if (res.status === 401) set(v => ({ ...v, locked: true }))
        if (!res.ok) return
        const { models } = (await res.json()) as { models: Standing[] }
        set(v => ({ ...v, models }))
      } catch {
        // the page says that it is not live
      }
    }
    const open = () => {
      close()
      source = new EventSource(url)
      const on = <T>(name: string, change: (v: View, data: T) => View) =>
        source!.addEventListener(name, e => {
          const data = JSON.parse((e as MessageEvent<string>).data) as T
          set(v => ({ ...change(v, data), heard: performance.now(), missing: false, locked: false }))
          wait = 500
        })
      on<Who>('who', (v, who) => ({ ...v, who }))
      on<Now>('now', (v, now) => ({ ...v, now, final: now.state.rollout ? undefined : v.final }))
      on<Past>('past', merge)
      on<Standing[]>('models', (v, models) => ({ ...v, models }))
      on<Moment[]>('journal', (v, journal) => ({ ...v, journal }))
      source.onerror = () => {
        const refused = source?.readyState === EventSource.CLOSED
        close()
        if (refused) void others()
        set(v => ({ ...v, missing: true }))
        timer = window.setTimeout(open, wait)
        wait = Math.min(2 * wait, 4000)
      }
    }
    const follow = () => {
      close()
      if (document.hidden) return
      set(v => ({ ...v, heard: v.heard && performance.now() })) // who comes back is not told that nobody listened
      open()
    }
    document.addEventListener('visibilitychange', follow)
    follow()
    return () => {
      document.removeEventListener('visibilitychange', follow)
      close()
    }
  }, [url])
  return view
}

/** Replicas tell of themselves each second, and a person does not read faster than this, in ms. */
const muster = 5000

/** Who shares the store. A server alone is asked once. */
export function useReplicas(): Replica[] | null {
  const [replicas, set] = useState<Replica[] | null>([])
  useEffect(() => {
    let timer = 0
    let over = false
    const ask = async () => {
      let alone = false
      try {
        if (!document.hidden) {
          const res = await fetch('admin/replicas')
          if (res.ok) {
            const found = ((await res.json()) as { replicas: Replica[] }).replicas
            alone = found.length === 0
            set(found)
          } else if (res.status === 503) set(null)
        }
      } catch {
        // the page says that it is not live
      }
      if (!alone && !over) timer = window.setTimeout(ask, muster)
    }
    void ask()
    return () => {
      over = true
      clearTimeout(timer)
    }
  }, [])
  return replicas
}

/** The seconds since the server was heard, as long as that is worth saying; else 0. */
export function useStale(view: View): number {
  const [stale, set] = useState(0)
  useEffect(() => {
    const look = () => {
      const silent = performance.now() - view.heard
      set(view.heard && silent > patience ? Math.round(silent / 1000) : 0)
    }
    look()
    const timer = window.setInterval(look, 1000)
    return () => clearInterval(timer)
  }, [view.heard])
  return stale
}
