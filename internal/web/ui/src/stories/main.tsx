// Every view from canned data, one at an address: storybook.html#alert. Without
// one, the list of them.
import { render } from 'preact'
import { useFragment } from '../address'
import { Page } from '../app'
import { nothing, type View } from '../live'
import '../style.css'
import { decided, fresh, live, many } from './canned'

const evil = '<img src=x onerror=alert(1)>'

const views: Record<string, () => { view: View; stale?: number }> = {
  loading: () => ({ view: nothing }),
  empty: () => ({ view: fresh() }),
  insufficient: () => ({ view: live({ slower: 0, seconds: 40, perSecond: 4 }) }),
  settling: () => ({ view: live({ slower: 0, seconds: 110 }) }),
  healthy: () => ({ view: live({ slower: 0, seconds: 900 }) }),
  passed: () => ({ view: live({ slower: -0.01, seconds: 2400 }) }),
  alert: () => {
    const view = live({ slower: 0.19, seconds: 300 })
    const h = view.now.state.alert_status
    Object.assign(h, { alert_source: 'welch', alarm_time: '', monitor_verdict: 'insufficient' })
    return { view }
  },
  alarm: () => ({ view: live({ slower: 0.17, seconds: 1500 }) }),
  drill: () => {
    const view = live({ slower: 0.17, seconds: 1500 })
    view.now.state.simulate_slowdown = true
    return { view }
  },
  deploying: () => {
    const view = live({ slower: 0, seconds: 0 })
    view.now.state.phase = 'loading'
    return { view }
  },
  replica: () => {
    const view = live({ slower: 0, seconds: 900 })
    view.now.here = 'serves stable only: the store has not been heard for 2m0s'
    return { view: { ...view, replicas: null } }
  },
  replicas: () => {
    const view = live({ slower: 0, seconds: 900 })
    const { model, generation } = view.now.state
    const replicas = ['a', 'b', 'c', evil].map((name, i) => ({
      name: `${name}/8f21`, self: i === 0, live: i !== 2, heard: view.now.at, address: `10.0.0.${i + 1}:8000`,
      models: { [model]: { generation, here: i === 1 ? 'serves without the canary, which it could not load' : '' } },
    }))
    return { view: { ...view, replicas } }
  },
  viewer: () => ({ view: { ...live({ slower: 0, seconds: 900 }), who: { name: evil, release: false } } }),
  locked: () => ({ view: { ...live({ slower: 0, seconds: 900 }), locked: true } }),
  unsaved: () => {
    const view = live({ slower: 0, seconds: 900 })
    view.now.saved = new Date(Date.parse(view.now.at) - 60_000).toISOString()
    return { view }
  },
  errors: () => ({ view: live({ slower: 0.01, seconds: 1200, failures: 31, drift: 0.34 }) }),
  invalid: () => {
    const view = live({ slower: 0, seconds: 700 })
    const h = view.now.state.alert_status
    const sentence = 'the split cannot be trusted: 13.4 % of the requests were the canary\'s, 10 % were planned, shown after 2800 canary and 18100 stable requests'
    h.monitor = { ...h.monitor, verdict: 'invalid', sentence, guard: { log_e: 9, log_threshold: 6.9, planned: 0.1, observed: 0.134 } }
    Object.assign(h, { monitor_verdict: 'invalid', monitor_finding: sentence, status: 'insufficient_data' })
    return { view }
  },
  due: () => ({ view: live({ slower: 0, seconds: 3600 }) }),
  'rolled-back': () => ({ view: decided({ slower: 0.17, seconds: 1500 }, 'rollback', 'as the alarm says') }),
  promoted: () => ({ view: decided({ slower: -0.02, seconds: 3600 }, 'promote', 'passed, and faster') }),
  many: () => ({ view: { ...live({ slower: 0, seconds: 900 }), models: many(12) } }),
  stale: () => ({ view: live({ slower: 0, seconds: 900 }), stale: 14 }),
  hostile: () => ({ view: live({ slower: 0.17, seconds: 900, model: evil, stable: evil, canary: evil }) }),
  'hostile-many': () => ({ view: { ...live({ slower: 0, seconds: 900 }), models: many(3).map(m => ({ ...m, model: evil, stable: { ...m.stable, name: evil } })) } }),
}

function Storybook() {
  const name = useFragment()
  const story = views[name]?.()
  const view = story?.view
  if (view) {
    return (
      <div data-view={name} key={name}>
        <Page view={view} stale={story.stale ?? 0} model={name.includes('many') ? null : view.now?.state.model ?? ''} />
      </div>
    )
  }
  return (
    <main>
      <h1>Every view</h1>
      <ul>
        {Object.keys(views).map(n => (
          <li key={n}>
            <a href={'#' + n}>{n}</a>
          </li>
        ))}
      </ul>
    </main>
  )
}

render(<Storybook />, document.getElementById('serin')!)
