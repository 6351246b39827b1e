// What the address names after its #.
import { useEffect, useState } from 'preact/hooks'

/** The address's fragment as written, without its #; drawn again when it changes. */
export function useFragment(): string {
  const [fragment, set] = useState(location.hash.slice(1))
  useEffect(() => {
    const turn = () => set(location.hash.slice(1))
    addEventListener('hashchange', turn)
    // An effect runs after the first drawing: what changed in between was not heard.
    turn()
    return () => removeEventListener('hashchange', turn)
  }, [])
  return fragment
}
