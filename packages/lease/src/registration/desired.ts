import type { Entry } from '@holdfast/coordination'
import { leaseError } from '../errors.ts'
import { abortable, createDeferred, type Deferred } from '../session/deferred.ts'
import type { Wish } from './plan.ts'

/** One key's desired state and how far the store is known to have it. */
export interface Desired {
  /** Replaced, never changed. */
  wish: Wish
  /** What we last knew to stand there; a wrong guess costs one read. */
  seen: Entry | undefined
  /** Whether `seen` is more than a guess. */
  isKnown: boolean
  /** How often the watch has told of it, and as of which revision last; Infinity where the past is another since. */
  told: { readonly times: number; readonly revision: number }
  /** A lease with which a put that nobody answered may still arrive, and find the key free. */
  unansweredWith: string | undefined
  /** Whether it ever was ours: then a stranger there has superseded us, else we never had it. */
  wasOurs: boolean
  owner: Owner
  /** Shared by all who wait for the wish to stand; undefined while nobody does. */
  waiting: Deferred | undefined
}

/** Who wanted it, to be told of its end. */
export interface Owner {
  /** It was ours, and a stranger has taken it for good. */
  onForeign(): void
  onClosed(): void
}

export function createDesired(wish: Wish, owner: Owner): Desired {
  return {
    wish,
    owner,
    seen: undefined,
    isKnown: false,
    told: { times: 0, revision: 0 },
    unansweredWith: undefined,
    wasOurs: false,
    waiting: undefined,
  }
}

/** Resolves when the present wish, or a later one, stands in the store. Rejects when that never will be, and with the signal's reason. */
export function confirmed(desired: Desired, signal?: AbortSignal): Promise<void> {
  desired.waiting ??= createDeferred()
  const { promise } = desired.waiting
  return signal ? abortable(promise, signal) : promise
}

/** The store has this wish, with this lease. */
export function confirm(desired: Desired, wish: Wish): void {
  if (wish.value !== undefined) desired.wasOurs = true
  if (desired.wish === wish) takeWaiting(desired)?.resolve()
}

export function giveUp(desired: Desired, error: unknown): void {
  takeWaiting(desired)?.reject(error)
}

function takeWaiting(desired: Desired): Deferred | undefined {
  const { waiting } = desired
  desired.waiting = undefined
  return waiting
}

export function conflict(wish: Wish, entry: Entry | undefined): Error {
  return leaseError(
    'REGISTRATION_CONFLICT',
    `${wish.key} is taken by another live process with the same or a higher incarnation than ${wish.incarnation}: ` +
      'end that one, or register with a higher incarnation',
    { fields: { key: wish.key, incarnation: wish.incarnation, leaseId: entry?.leaseId } },
  )
}
