// Those who share a store: who lives, and who serves other than was decided.
import { DataTable, Frame } from './chart'
import { clock } from './words'
import type { Replica } from './wire'

const short = (r: Replica) => r.name.replace(/\/[^/]*$/, '')

/** How a replica serves a model, in a few words; generation is the decision in force. */
function serves(r: Replica, model: string, generation: number): string {
  const m = r.models[model]
  if (!r.live) return 'not heard'
  if (!m) return 'does not have this model'
  if (m.here) return m.here
  return m.generation < generation ? `decision ${m.generation}, not ${generation} yet` : 'as decided'
}

/** null is those who are not known while the store is not heard. */
export function Replicas({ replicas, model, generation }: { replicas: Replica[] | null; model: string; generation: number }) {
  if (!replicas) return <Frame title="Replicas" says="The store is not heard here, so how the other replicas stand is not known." wide>{null}</Frame>
  const gone = replicas.filter(r => !r.live)
  const aside = replicas.filter(r => r.live && serves(r, model, generation) !== 'as decided')
  const live = replicas.length - gone.length
  const says = [
    gone.length ? `${live} of ${replicas.length} replicas live; ${gone.map(short).join(', ')} ${gone.length > 1 ? 'are' : 'is'} not heard.` : `${live === 1 ? 'One replica lives' : `${live} replicas live`}.`,
    aside.length ? `Not as decided: ${aside.map(short).join(', ')}.` : gone.length ? 'Those that live serve what was decided.' : live === 1 ? 'It serves what was decided.' : 'All serve what was decided.',
  ].join(' ')
  return (
    <Frame title="Replicas" says={says} wide>
      <DataTable
        title="Replicas"
        head={['Replica', 'Answers at', 'Heard last', 'Serves']}
        rows={replicas.map(r => [short(r) + (r.self ? ' (this one)' : ''), r.address, clock(r.heard), serves(r, model, generation)])}
      />
    </Frame>
  )
}
