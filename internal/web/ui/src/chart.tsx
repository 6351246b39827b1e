// What all charts share: a frame with a title in words, the drawing, and the
// same numbers as a table. Drawings are SVG, so that they take the page's
// colours, scale, print, and can be read by tests and by screen readers.
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'

export type Scale = (x: number) => number

export const linear =
  (from: [number, number], to: [number, number]): Scale =>
  x =>
    to[0] + ((x - from[0]) / (from[1] - from[0] || 1)) * (to[1] - to[0])

export const logarithmic = (from: [number, number], to: [number, number]): Scale => {
  const s = linear([Math.log(from[0]), Math.log(from[1])], to)
  return x => s(Math.log(x))
}

/** Round numbers from low to high, about n of them. */
export function ticks(low: number, high: number, n: number): number[] {
  const raw = (high - low) / Math.max(1, n)
  if (!(raw > 0)) return [low]
  const ten = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 2.5, 5, 10].map(k => k * ten).find(s => s >= raw * 0.999) ?? 10 * ten
  const out: number[] = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) out.push(Number((i * step).toPrecision(12)))
  return out
}

/** Round seconds. */
export function timeTicks(high: number, n: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
  const step = steps.find(s => s >= high / n) ?? 86400 * Math.ceil(high / n / 86400)
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, i) => i * step)
}

/** Round numbers on a log axis. */
export function logTicks(low: number, high: number, most: number): number[] {
  for (const steps of [[1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const out: number[] = []
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const k of steps) {
        const x = Number((k * 10 ** e).toPrecision(3))
        if (x >= low * 0.999 && x <= high * 1.001) out.push(x)
      }
    }
    if (out.length <= most || steps.length === 1) return out
  }
  return []
}

const finite = (n: number) => n.toFixed(1)

export function line(points: [number, number][]): string {
  return points.map(([x, y], i) => (i ? 'L' : 'M') + finite(x) + ' ' + finite(y)).join('')
}

/** A closed area between two lines over the same x. */
export function area(points: [x: number, low: number, high: number][]): string {
  if (!points.length) return ''
  const there = points.map(([x, low]) => [x, low] as [number, number])
  const back = points.map(([x, , high]) => [x, high] as [number, number]).reverse()
  return line([...there, ...back]) + 'Z'
}

/** The width that an element has, in px. */
export function useWidth() {
  const ref = useRef<HTMLDivElement>(null)
  const [width, set] = useState(0)
  useEffect(() => {
    const e = ref.current
    if (!e) return
    const measure = () => set(Math.round(e.clientWidth))
    const watcher = new ResizeObserver(measure)
    watcher.observe(e)
    measure()
    return () => watcher.disconnect()
  }, [])
  return [ref, width] as const
}

export interface Table {
  head: string[]
  rows: (string | number)[][]
}

interface FrameProps {
  title: string
  /** What is to be seen, in one sentence: also the drawing's text for who does not see it. */
  says: string
  hint?: string
  wide?: boolean
  /** Made when somebody asks for it. */
  table?: () => Table
  tools?: ComponentChildren
  legend?: ComponentChildren
  children: ComponentChildren
}

/** A picture with its title, what it says, and its numbers as a table. */
export function Frame({ title, says, hint, wide, table, tools, legend, children }: FrameProps) {
  const [open, set] = useState(false)
  const id = useId()
  return (
    <section class={wide ? 'card wide' : 'card'} aria-labelledby={id}>
      <div class="card-head">
        <h3 id={id}>{title}</h3>
        <div class="tools">
          {tools}
          {table && (
            <button type="button" class="quiet" aria-pressed={open} onClick={() => set(!open)}>
              Table
            </button>
          )}
        </div>
      </div>
      <p class="says">{says}</p>
      {open && table ? <DataTable title={title} {...table()} /> : children}
      {!open && legend && <div class="legend">{legend}</div>}
      {hint && <p class="hint">{hint}</p>}
    </section>
  )
}

export function DataTable({ title, head, rows }: Table & { title: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={title + ', as a table'}>
      <table>
        <thead>
          <tr>
            {head.map(h => (
              <th scope="col">{h}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((r, i) => (
            <tr key={i}>{r.map((c, k) => (k ? <td>{c}</td> : <th scope="row">{c}</th>))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Lines across at the ticks of y, with their labels. */
export function Grid({ at, y, x0, x1, label }: { at: number[]; y: Scale; x0: number; x1: number; label: (v: number) => string }) {
  return (
    <g class="grid">
      {at.map(v => (
        <g key={v}>
          <line x1={x0} x2={x1} y1={y(v)} y2={y(v)} />
          <text x={x0 - 8} y={y(v)} dy="0.32em" text-anchor="end">
            {label(v)}
          </text>
        </g>
      ))}
    </g>
  )
}

/** Labels below at the ticks of x. */
export function Feet({ at, x, y, label, title, x1 }: { at: number[]; x: Scale; y: number; label: (v: number) => string; title?: string; x1?: number }) {
  return (
    <g class="grid">
      {at.map(v => (
        <g key={v}>
          <line x1={x(v)} x2={x(v)} y1={y} y2={y + 4} />
          <text x={x(v)} y={y + 16} text-anchor="middle">
            {label(v)}
          </text>
        </g>
      ))}
      {title && (
        <text x={x1} y={y + 31} text-anchor="end">
          {title}
        </text>
      )}
    </g>
  )
}

export function Key({ kind, children }: { kind: 'stable' | 'canary' | 'planned' | 'limit'; children: ComponentChildren }) {
  return (
    <span class="key">
      <svg width="26" height="10" aria-hidden="true">
        <line x1="1" x2="25" y1="5" y2="5" class={'stroke ' + kind} />
      </svg>
      {children}
    </span>
  )
}
