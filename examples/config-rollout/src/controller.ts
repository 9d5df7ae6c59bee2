import { type Document, hashOf } from '@holdfast/config'
import { type CoordinationStore, openView, type View } from '@holdfast/coordination'
import { type Clock, withTimeout } from '@holdfast/core'
import { places, type Report } from './agent.ts'

const staged = `${places.config}/staged`
const active = `${places.config}/active`

/** Brings a config to a fleet: staged, tried by all, then made active in one transaction. */
export interface Controller {
  /** Makes it active without asking anyone: for the first config of a fleet. */
  publish(document: Document): Promise<void>
  /** Resolves with what every agent said of it; it is active only if none of them objected. */
  rollOut(document: Document): Promise<'active' | 'refused'>
  /** Waits until every report fits. */
  until(fits: (report: Report) => boolean): Promise<void>
  reports(): readonly Report[]
  close(): Promise<void>
}

export async function startController(
  store: CoordinationStore,
  { agents, clock, patienceMs = 10_000 }: { agents: number; clock: Clock; patienceMs?: number },
): Promise<Controller> {
  const view = await openView(store, { prefix: places.reports, clock })
  return { publish, rollOut, until, reports: () => reportsIn(view), close: () => view.close() }

  async function publish(document: Document): Promise<void> {
    await store.transact({ then: [{ kind: 'put', key: active, value: encode(document) }] })
  }

  async function rollOut(document: Document): Promise<'active' | 'refused'> {
    const value = encode(document)
    const hash = hashOf(document)
    await store.transact({ then: [{ kind: 'put', key: staged, value }] })
    await until((report) => report.staged?.layer === hash)
    const ready = reportsIn(view).every((report) => report.staged?.state === 'prepared')
    const unstage = { kind: 'delete', at: { key: staged } } as const
    const { succeeded } = await store.transact({
      when: [{ key: staged, target: 'value', is: '=', to: value }],
      then: ready ? [{ kind: 'put', key: active, value }, unstage] : [unstage],
    })
    return succeeded && ready ? 'active' : 'refused'
  }

  async function until(fits: (report: Report) => boolean): Promise<void> {
    const everyFits = (): boolean => {
      const found = reportsIn(view)
      return found.length >= agents && found.every(fits)
    }
    await withTimeout(
      async (signal) => {
        if (everyFits()) return
        for await (const _ of view.changes({ signal })) if (everyFits()) return
      },
      { timeoutMs: patienceMs, onTimeout: () => new Error('not every agent got there in time'), clock },
    )
  }
}

function reportsIn(view: View): readonly Report[] {
  return view.entries().map((entry) => JSON.parse(new TextDecoder().decode(entry.value)) as Report)
}

function encode(document: Document): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(document))
}
