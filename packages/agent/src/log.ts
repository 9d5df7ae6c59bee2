import type { On } from '@holdfast/core'
import type { AgentEvents } from './events.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What is needed of a logger: pino's shape, which console has, too. */
export type Logger = { [Level in LogLevel]: (fields: object, message: string) => void }

/** The level for each event that is to be logged; the others are not. */
export type LogLevels<Events> = { readonly [Event in keyof Events]?: LogLevel }

/** How loud each event of an agent is. */
export const agentLogLevels: LogLevels<AgentEvents> = {
  started: 'info',
  startFailed: 'error',
  exited: 'warn',
  restartPlanned: 'warn',
  drained: 'debug',
  stopped: 'info',
  abandoned: 'error',
  lateClosed: 'warn',
  healed: 'warn',
  agentStarted: 'info',
  escalated: 'error',
  agentStopped: 'info',
}

/**
 * Writes one line per event: the event's name as the message, what it carries as fields.
 *
 * Works for every emitter of holdfast's shape. An event that carries one object
 * becomes that object's fields, with an `error` under pino's name for it,
 * `err`; anything else becomes `args`. A listener's own error (`listenerError`)
 * is always logged. The returned function unsubscribes.
 */
export function logEvents<Events>(
  source: { readonly on: On<Events> },
  logger: Logger,
  levels: LogLevels<Events>,
): () => void {
  const on = source.on as unknown as (event: string, listener: (...args: unknown[]) => void) => () => void
  const loud = { ...levels, listenerError: 'error' } as Readonly<Record<string, LogLevel>>
  const subscriptions = Object.entries(loud).map(([event, level]) =>
    on(event, (...args) => logger[level](fieldsOf(args), event)),
  )
  return () => {
    for (const unsubscribe of subscriptions) unsubscribe()
  }
}

function fieldsOf(args: readonly unknown[]): object {
  const [only] = args
  if (args.length === 0) return {}
  if (args.length > 1 || typeof only !== 'object' || only === null || only instanceof Error) return { args }
  const { error, ...fields } = only as { error?: unknown }
  return error === undefined ? fields : { ...fields, err: error }
}
