import type { ServerResponse } from 'node:http'
import type { Clock } from '@holdfast/core'
import { type CheckReport, gates } from '../check.ts'
import type { Health } from '../health.ts'

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

export function createLiveFeed(health: Pick<Health, 'probe' | 'reports' | 'on'>, clock: Clock): LiveFeed {
  const readers = new Set<ServerResponse>()
  const stop = new AbortController()
  let ticking: Promise<void> | undefined
  let due = false
  const unsubscribe = [health.on('changed', pushSoon), health.on('gateChanged', pushSoon)]
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
    response.write(snapshot())
    ticking ??= tick()
    return true
  }

  /** Events that come together are pushed together. */
  function pushSoon(): void {
    if (due || readers.size === 0) return
    due = true
    queueMicrotask(push)
  }

  function push(): void {
    due = false
    const text = snapshot()
    for (const reader of readers) {
      if (reader.writableLength > mostUnread) reader.destroy()
      else reader.write(text)
    }
  }

  async function tick(): Promise<void> {
    while (readers.size > 0 && !stop.signal.aborted) {
      await clock.sleep(tickMs, stop.signal)
      push()
    }
    ticking = undefined
  }

  function snapshot(): string {
    const state = {
      gates: gates.map((gate) => {
        const { ok, status, why } = health.probe(gate)
        return { gate, ok, status, why }
      }),
      checks: health.reports().map(publicReport),
    }
    return `data: ${JSON.stringify(state)}\n\n`
  }

  async function close(): Promise<void> {
    stop.abort()
    for (const unsubscribeOne of unsubscribe) unsubscribeOne()
    for (const reader of readers) reader.destroy()
    await ticking
  }
}

/** All of a report but the error itself. */
function publicReport({ error: _, ...report }: CheckReport): Omit<CheckReport, 'error'> {
  return report
}
