import type { ServerResponse } from 'node:http'
import type { Clock } from '@holdfast/core'
import { type CheckReport, gates } from '../check.ts'
import type { Health } from '../health.ts'
import type { SourceFigures } from './sources.ts'

export interface LiveFeedOptions {
  readonly health: Pick<Health, 'probe' | 'reports' | 'on'>
  readonly title: string
  readonly figures: () => readonly SourceFigures[]
  readonly clock: Clock
}

/** Pushes how things stand to whoever has the page open, as server-sent events. */
export interface LiveFeed {
  /** Takes a response over for good; false when there are too many already, or after `close`. */
  open(response: ServerResponse): boolean
  close(): Promise<void>
}

const mostReaders = 32
/** A reader who has not taken so many bytes is gone, or as good as gone. */
const mostUnread = 1 << 20
/** Pushed so often even when nothing changes: ages grow, and the page sees that we are alive. */
const tickMs = 2_000
/** Changes that follow a push sooner than this wait for it together: a thousand checks may flap. */
const calmMs = 200

export function createLiveFeed({ health, title, figures, clock }: LiveFeedOptions): LiveFeed {
  const readers = new Set<ServerResponse>()
  const stop = new AbortController()
  let nap = new AbortController()
  let pushing: Promise<void> | undefined
  let draining = false
  const unsubscribe = [
    health.on('changed', changed),
    health.on('gateChanged', changed),
    health.on('draining', () => {
      draining = true
      changed()
    }),
  ]
  return { open, close }

  function open(response: ServerResponse): boolean {
    if (readers.size >= mostReaders || stop.signal.aborted) return false
    response.writeHead(200, [
      'content-type',
      'text/event-stream',
      'cache-control',
      'no-store',
      'x-accel-buffering',
      'no',
    ])
    response.on('close', () => readers.delete(response))
    readers.add(response)
    response.write(`retry: 1000\n${snapshot()}`)
    pushing ??= pushOn()
    return true
  }

  function changed(): void {
    if (readers.size > 0) nap.abort()
  }

  /** Pushes at every tick and after every change, as long as somebody reads. */
  async function pushOn(): Promise<void> {
    while (readers.size > 0 && !stop.signal.aborted) {
      await clock.sleep(calmMs, stop.signal)
      await clock.sleep(tickMs - calmMs, nap.signal)
      nap = new AbortController()
      if (!stop.signal.aborted) push()
    }
    pushing = undefined
  }

  function push(): void {
    const text = snapshot()
    for (const reader of readers) {
      if (reader.writableLength > mostUnread) reader.destroy()
      else if (!reader.destroyed) reader.write(text)
    }
  }

  function snapshot(): string {
    const state = {
      title,
      at: clock.wall(),
      draining,
      gates: gates.map((gate) => {
        const { ok, status, sinceMs, why } = health.probe(gate)
        return { gate, ok, status, sinceMs, why }
      }),
      checks: health.reports().map(publicReport),
      figures: figures(),
    }
    return `data: ${JSON.stringify(state)}\n\n`
  }

  async function close(): Promise<void> {
    for (const unsubscribeOne of unsubscribe) unsubscribeOne()
    stop.abort()
    nap.abort()
    for (const reader of readers) reader.destroy()
    await pushing
  }
}

/** All of a report but the error itself. */
function publicReport({ error: _, ...report }: CheckReport): Omit<CheckReport, 'error'> {
  return report
}
