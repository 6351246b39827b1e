// Light, dark, or as the system says.
import { useEffect, useState } from 'preact/hooks'

const kept = 'serin-theme'
const order = ['system', 'light', 'dark'] as const
type Name = (typeof order)[number]

export function Theme() {
  const [name, set] = useState<Name>(() => order.find(n => n === localStorage.getItem(kept)) ?? 'system')
  useEffect(() => {
    localStorage.setItem(kept, name)
    if (name === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = name
  }, [name])
  return (
    <label class="theme">
      <span class="unseen">Colours</span>
      <select value={name} onInput={e => set(e.currentTarget.value as Name)}>
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  )
}
