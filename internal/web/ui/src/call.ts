// Commands to the server. What goes wrong is told in the server's words.

import { createContext } from 'preact'
import type { Who } from './wire'

/** Who acts on this page, as the server knows him. */
export const Acting = createContext<Who>({ name: '', release: true })

/** Ends the session, and shows the page where another begins. */
export async function leave() {
  try {
    await fetch('logout', { method: 'POST' })
  } finally {
    location.assign('login')
  }
}

export interface Answer {
  ok: boolean
  /** What was done, or what is wrong and what to do. */
  text: string
  /** The problem's code; "" if it was done or nobody answered. */
  code: string
}

const unreachable: Answer = { ok: false, code: '', text: 'The server does not answer, so it is not known whether this was done. The page shows the state as soon as it is back.' }

const remembered = 'serin-actor'

/** Who acts, as this browser was told last. */
export const actor = () => localStorage.getItem(remembered) ?? ''

export const remember = (name: string) => localStorage.setItem(remembered, name.trim().slice(0, 40))

/** Headers hold bytes, and the server reads UTF-8. */
const bytes = (s: string) => String.fromCharCode(...new TextEncoder().encode(s))

function answer(status: number, body: string): Answer {
  let parsed: { message?: string; detail?: string; code?: string; simulate_slowdown?: boolean } = {}
  try {
    parsed = JSON.parse(body)
  } catch {
    // told below
  }
  if (status >= 200 && status < 300) {
    const drill = parsed.simulate_slowdown
    const text = drill === undefined ? parsed.message : drill ? 'a drill is on: the canary is slowed down on purpose' : 'the drill is over'
    return { ok: true, code: '', text: text ?? 'done' }
  }
  return { ok: false, code: parsed.code ?? '', text: parsed.detail ?? `The server answered ${status} without saying why.` }
}

/** Asks for a change; body undefined sends none. */
export async function post(url: string, body?: unknown): Promise<Answer> {
  try {
    const res = await fetch(url, {
      method: 'POST',
      headers: { 'Serin-Actor': bytes(actor() || 'dashboard'), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    return answer(res.status, await res.text())
  } catch {
    return unreachable
  }
}

/** Sends a form with files in it; progress is called with the share that is sent. */
export function upload(url: string, form: FormData, progress: (share: number) => void): Promise<Answer> {
  return new Promise(done => {
    const req = new XMLHttpRequest() // fetch does not tell how much is sent
    req.open('POST', url)
    req.setRequestHeader('Serin-Actor', bytes(actor() || 'dashboard'))
    req.upload.onprogress = e => e.lengthComputable && progress(e.loaded / e.total)
    req.onload = () => done(answer(req.status, req.responseText))
    req.onerror = () => done(unreachable)
    req.send(form)
  })
}
