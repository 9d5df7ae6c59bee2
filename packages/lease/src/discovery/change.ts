import type { ResyncReason } from '@holdfast/coordination'
import type { Instance } from './instance.ts'

/** One step of a service: all that one revision of the store changed, at once. */
export interface ServiceChange<Metadata> {
  /** The view's revision after it. */
  readonly revision: number
  readonly added: readonly Instance<Metadata>[]
  /** As they are now. */
  readonly changed: readonly Instance<Metadata>[]
  /** As they were. */
  readonly removed: readonly Instance<Metadata>[]
  /** Why the steps in between are not told one by one; absent in the normal case. */
  readonly resync?: ResyncReason
}

/** How one instance became another; undefined where there was or is none. */
export interface InstanceStep<Metadata> {
  readonly id: string
  readonly before: Instance<Metadata> | undefined
  readonly after: Instance<Metadata> | undefined
}

export interface Step<Metadata> {
  readonly revision: number
  readonly instances: readonly InstanceStep<Metadata>[]
  readonly resync?: ResyncReason | undefined
}

export function toChange<Metadata>({ revision, instances, resync }: Step<Metadata>): ServiceChange<Metadata> {
  const added: Instance<Metadata>[] = []
  const changed: Instance<Metadata>[] = []
  const removed: Instance<Metadata>[] = []
  for (const { before, after } of instances)
    if (after && after !== before) (before ? changed : added).push(after)
    else if (before && !after) removed.push(before)
  return Object.freeze({ revision, added, changed, removed, ...(resync ? { resync } : {}) })
}

/** One consumer's changes: one by one, or, once too many wait, as one difference. */
export interface Feed<Metadata> {
  push(step: Step<Metadata>): void
  take(): ServiceChange<Metadata> | undefined
}

/** `standing` tells what is shown now. */
export function createFeed<Metadata>(
  maxPending: number,
  standing: (id: string) => Instance<Metadata> | undefined,
): Feed<Metadata> {
  let pending: Step<Metadata>[] = []
  /** What the consumer knows of each instance that changed since it fell behind. */
  let known: Map<string, Instance<Metadata> | undefined> | undefined
  let revision = 0
  return { push, take }

  function push(step: Step<Metadata>): void {
    revision = step.revision
    pending.push(step)
    if (!known && pending.length <= maxPending) return
    known ??= new Map()
    for (const { instances } of pending) for (const one of instances) remember(known, one)
    pending = []
  }

  /** Who came and went unseen is forgotten: the memory has its bound however many come and go. */
  function remember(memory: NonNullable<typeof known>, { id, before, after }: InstanceStep<Metadata>): void {
    if (!memory.has(id)) memory.set(id, before)
    if (!memory.get(id) && !after) memory.delete(id)
  }

  function take(): ServiceChange<Metadata> | undefined {
    if (!known) {
      const next = pending.shift()
      return next && toChange(next)
    }
    const instances = [...known].map(([id, before]) => ({ id, before, after: standing(id) }))
    known = undefined
    return toChange({ revision, instances, resync: 'lagged' })
  }
}
