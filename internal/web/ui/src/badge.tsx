// A shape for each state: nobody need tell them by colour.
import type { Kind } from './words'

const paths: Record<Kind, string> = {
  idle: 'M8 12h8',
  loading: 'M12 7v5l3.500 2',
  waiting: 'M7.500 12h.01M12 12h.01M16.500 12h.01',
  broken: 'M8 8l8 8M16 8l-8 8',
  healthy: 'M7.500 12.500l3 3 6-6.500',
  alert: 'M12 7v6M12 16.500h.01',
  gone: 'M15.500 15.500V12a3 3 0 0 0-3-3H8M10.500 6.500L8 9l2.500 2.500',
  promoted: 'M12 17V7.500M8 11l4-4 4 4',
}

export function Badge({ kind, size }: { kind: Kind; size: number }) {
  return (
    <svg class={'badge ' + kind} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      {kind === 'alert' ? <path class="plate" d="M12 2.200L22.600 20.800H1.400Z" /> : kind === 'broken' ? <rect class="plate" x="2" y="2" width="20" height="20" rx="3" /> : <circle class="plate" cx="12" cy="12" r="10.500" />}
      <path class="glyph" d={paths[kind]} transform={kind === 'alert' ? 'translate(0 1.600)' : undefined} />
    </svg>
  )
}
