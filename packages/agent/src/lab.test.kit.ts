import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import type { Startable } from './types.ts'

/** The least that a start can return. */
export function unit(extra: Partial<Startable> = {}): Startable {
  return { [Symbol.asyncDispose]: async () => {}, ...extra }
}

/** How a unit of the lab behaves; times in milliseconds, `Infinity` hangs and ignores every signal. */
export interface Behaviour {
  startMs?: number
  startError?: Error
  /** Absent: the unit has no `drain`. */
  drainMs?: number
  closeMs?: number
  closeError?: Error
}

export interface LabUnit extends Startable {
  readonly exited: Promise<void>
  /** Which start of its name it is, from 1. */
  readonly incarnation: number
}

/** Units that do as told and leave a trace: `queue+` is up, `queue~` drained, `queue-` closed. */
export interface Lab {
  readonly clock: FakeClock
  readonly trace: string[]
  /** Takes the trace so far. */
  read(): string
  /** A start function; `behave` is asked at each start, with the incarnation. */
  start(
    name: string,
    behave?: Behaviour | ((incarnation: number) => Behaviour),
  ): (needs: object, signal: AbortSignal) => Promise<LabUnit>
  /** Ends the newest incarnation: as wanted, or with an error. */
  end(name: string, error?: Error): void
}

export function createLab(): Lab {
  const clock = createFakeClock()
  const trace: string[] = []
  const starts = new Map<string, number>()
  const exits = new Map<string, (error?: Error) => void>()

  return {
    clock,
    trace,
    read: () => trace.splice(0).join(' '),
    start,
    end: (name, error) => exits.get(name)?.(error),
  }

  function start(name: string, behave: Behaviour | ((incarnation: number) => Behaviour) = {}) {
    return async (): Promise<LabUnit> => {
      const incarnation = (starts.get(name) ?? 0) + 1
      starts.set(name, incarnation)
      const behaviour = typeof behave === 'function' ? behave(incarnation) : behave
      if (behaviour.startMs !== undefined) await clock.sleep(behaviour.startMs)
      if (behaviour.startError) throw behaviour.startError
      trace.push(`${name}+`)
      return labUnit(name, incarnation, behaviour)
    }
  }

  function labUnit(name: string, incarnation: number, { drainMs, closeMs, closeError }: Behaviour): LabUnit {
    const exited = new Promise<void>((resolve, reject) => {
      exits.set(name, (error) => (error ? reject(error) : resolve()))
    })
    const drain = async (): Promise<void> => {
      await clock.sleep(drainMs ?? 0)
      trace.push(`${name}~`)
    }
    return {
      incarnation,
      exited,
      ...(drainMs === undefined ? {} : { drain }),
      [Symbol.asyncDispose]: async () => {
        if (closeMs !== undefined) await clock.sleep(closeMs)
        if (closeError) throw closeError
        trace.push(`${name}-`)
      },
    }
  }
}
