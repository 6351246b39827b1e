// The page: which model, whether what it shows is live, and what was answered.
import { useContext, useEffect, useState } from 'preact/hooks'
import { useFragment } from './address'
import { Acting, leave, type Answer } from './call'
import { useLive, useReplicas, useStale, type View } from './live'
import { Model } from './model'
import { Others, Overview, summary } from './overview'
import { clock, sentence, split, standOf, titleOf } from './words'
import type { Now, Who } from './wire'
import { Theme } from './theme'

export function App() {
  const named = useNamed()
  const replicas = useReplicas()
  const view = { ...useLive(baseOf(named) + '/live'), replicas }
  const stale = useStale(view)
  // Without a name it is all of them, if there are several or none is meant.
  const all = view.models.length > (view.now ? 1 : 0)
  if (named && !view.now && all && !view.models.some(m => m.model === named)) return <Page view={view} stale={stale} model={null} unknown={named} />
  return <Page view={view} stale={stale} model={named || !all ? named : null} />
}

/** Where the calls of a model are; "" is the default model. */
const baseOf = (model: string) => (model ? 'admin/models/' + encodeURIComponent(model) : 'admin')

/** The model that the address names; "" if it names none. */
function useNamed(): string {
  const fragment = useFragment()
  try {
    return decodeURIComponent(fragment.replace(/^\/?/, ''))
  } catch {
    return ''
  }
}

/**
 * Everything that is drawn, from what is known; the storybook draws it, too. The
 * model is "" for the default one and null for the list of all; unknown is one
 * that was asked for and is not there.
 */
export function Page({ view, stale, model, unknown }: { view: View; stale: number; model: string | null; unknown?: string }) {
  const [said, say] = useState<Answer | null>(null)
  const now = view.now
  const verdict = now && model !== null ? standOf(now.state) : undefined
  const title = model === null ? `${summary(view.models)} · serin` : titleOf(now)
  useEffect(() => {
    document.title = title
  }, [title])
  useEffect(() => {
    if (!said?.ok) return
    const timer = window.setTimeout(() => say(null), 8000)
    return () => clearTimeout(timer)
  }, [said])
  return (
    <Acting.Provider value={view.who ?? anybody}>
      <header>
        <a class="brand" href="#/">
          <Bird />
          serin
        </a>
        <h1>{model === null ? 'all models' : now?.state.model || model || 'a model'}</h1>
        {model !== null && <Others models={view.models} here={now?.state.model ?? model} />}
        <Pulse view={view} stale={stale} />
        <Theme />
      </header>
      <main>
        {view.locked && (
          <p class="banner" role="alert">
            <strong>Who are you?</strong> The session is over, or its key is. <a href="login">Log in</a>
          </p>
        )}
        {stale > 0 && now && !view.locked && (
          <p class="banner" role="alert">
            <strong>Not live.</strong> The server does not answer. What is shown is as of {clock(now.at)}; the page tries again by itself.
          </p>
        )}
        {unknown && (
          <p class="banner" role="alert">
            There is no model {unknown} on this server. These are:
          </p>
        )}
        {said && (
          <p class={said.ok ? 'banner done' : 'banner'} role={said.ok ? 'status' : 'alert'}>
            {sentence(said.text)}
            <button type="button" class="quiet" onClick={() => say(null)}>
              Close
            </button>
          </p>
        )}
        <p class="unseen" aria-live="polite">
          {verdict && `${verdict.word}. ${verdict.title}.`}
        </p>
        {model === null ? <Overview models={view.models} /> : <Model view={view} base={baseOf(model)} stale={stale > 0} say={say} />}
      </main>
      <Footer now={now} />
    </Acting.Provider>
  )
}

/** Evidence is saved each second; after this long without, in ms, something is wrong. */
const unsaved = 8000

function Pulse({ view, stale }: { view: View; stale: number }) {
  const lost = stale > 0 || (view.missing && !view.now)
  return (
    <span class={lost ? 'pulse lost' : view.now ? 'pulse on' : 'pulse'}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        {lost ? <path d="M1.500 1.500l7 7M8.500 1.500l-7 7" /> : <circle cx="5" cy="5" r="4" />}
      </svg>
      {lost ? 'not live' : view.now ? 'live' : 'connecting'}
    </span>
  )
}

function Bird() {
  return (
    <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
      <path
        class="bird"
        d="M27 11.500c-.4-4-3.700-6.700-7.400-6.500-3.400.2-5.800 2.500-6.600 5.700C12 14.600 8.300 18 3 20.500c2.700 1.400 4.800 1.700 7 1.400 1.300 3.300 4.300 5 7.700 4.600C23.600 25.800 27 20.300 27 14l3-1.400z"
      />
      <circle class="eye" cx="21" cy="10.800" r="1.500" />
    </svg>
  )
}

const anybody: Who = { name: '', release: true }

/** What the server can be trusted with: what it keeps, and who may act. */
function Footer({ now }: { now: Now | undefined }) {
  const { name } = useContext(Acting)
  const live = now && split(now.state)
  const old = live && (!now.saved || Date.parse(now.at) - Date.parse(now.saved) > unsaved)
  return (
    <footer>
      <span>serin {now?.serin}</span>
      <span>every change is on disk before it is in force</span>
      {live && (
        <span class={old ? 'saved old' : 'saved'}>
          {old ? 'the evidence cannot be saved' : 'evidence on disk as of'} {now.saved ? (old ? `since ${clock(now.saved)}: see the server’s log` : clock(now.saved)) : ''}
        </span>
      )}
      {name ? (
        <span>
          keys are asked for; this one is {name}’s{' '}
          <button type="button" class="quiet" onClick={leave}>
            Log out
          </button>
        </span>
      ) : (
        <span>no accounts: who reaches this address may act</span>
      )}
      <a href="docs">API</a>
      <a href="metrics">Metrics</a>
    </footer>
  )
}
