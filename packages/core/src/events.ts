import { createNanoEvents } from 'nanoevents'

/** Event names and the listeners that they take. */
// biome-ignore lint/suspicious/noExplicitAny: a listener's parameters are its event's own
export type EventMap = { [event: string]: (...args: any[]) => void }

/** What every emitter also emits: a listener that threw or rejected, and the event that it was called for. */
export interface ListenerErrors {
  listenerError(error: unknown, event: string): void
}

/** Subscribes a listener; the returned function unsubscribes it, and may be called again. */
export type On<Events> = <K extends keyof (Events & ListenerErrors)>(
  event: K,
  listener: (Events & ListenerErrors)[K],
) => () => void

export interface Events<E> {
  readonly on: On<E>
  /** Calls the event's listeners in the order of their subscription. Never throws. */
  emit<K extends keyof E>(event: K, ...args: E[K] extends (...args: infer A) => void ? A : never): void
}

/**
 * Typed events whose listeners cannot harm one another or the emitter.
 *
 * A listener that throws, or whose promise rejects, does not keep the others
 * from being called. Its error goes to the listeners of `listenerError`; where
 * there are none, or where one of those throws, it becomes an uncaught
 * exception, as an `EventTarget` of Node does: errors surface, never vanish.
 */
export function createEvents<E>(): Events<E> {
  const emitter = createNanoEvents<EventMap>()
  return {
    on: (event, listener) => subscribe(String(event), listener as EventMap[string]),
    emit: (event, ...args) => emitter.emit(String(event), ...args),
  }

  function subscribe(event: string, listener: EventMap[string]): () => void {
    return emitter.on(event, (...args) => {
      try {
        const result: unknown = listener(...args)
        if (result instanceof Promise) result.catch((error: unknown) => report(error, event))
      } catch (error) {
        report(error, event)
      }
    })
  }

  function report(error: unknown, event: string): void {
    const heard = (emitter.events['listenerError']?.length ?? 0) > 0
    if (heard && event !== 'listenerError') emitter.emit('listenerError', error, event)
    else
      queueMicrotask(() => {
        throw error
      })
  }
}
