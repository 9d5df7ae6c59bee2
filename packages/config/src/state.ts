import type { HoldfastError } from '@holdfast/core'
import type { Valid } from './candidate.ts'
import type { ConfigErrorCode } from './errors.ts'
import type { AttemptStatus, Origin } from './status.ts'

/** All that is decided about a config: what runs, what was tried last, and what is not worth another try. */
export interface State {
  readonly running: {
    readonly config: Valid
    readonly origin: Origin
    readonly revision: number
    readonly since: number
    readonly onProbation: boolean
  }
  readonly attempt: AttemptStatus
  /** The attempt whose hash is not tried again while the sources still say the same. */
  readonly refused?: AttemptStatus
}

/** What happened, told to `reduce`. */
export type Fact =
  | {
      readonly kind: 'applied'
      readonly config: Valid
      readonly origin: Origin
      readonly onProbation: boolean
      readonly at: number
    }
  | {
      readonly kind: 'rejected'
      readonly hash?: string
      readonly error: HoldfastError<ConfigErrorCode>
      readonly at: number
    }
  | {
      readonly kind: 'rolled-back'
      readonly hash: string
      readonly error: HoldfastError<ConfigErrorCode>
      readonly at: number
    }
  | { readonly kind: 'pending'; readonly hash: string; readonly at: number }
  | { readonly kind: 'proven' }
  /** The sources say what runs already, perhaps by other layers. */
  | { readonly kind: 'unchanged'; readonly config: Pick<Valid, 'layers'>; readonly at: number }
  /** The sources still say what was refused. */
  | { readonly kind: 'still-refused' }

export type Decision = 'try' | 'unchanged' | 'still-refused' | 'still-pending'

/** Pure: whether a hash is worth trying. `forced` tries again what was refused. */
export function decide(state: State, hash: string, forced: boolean): Decision {
  if (hash === state.running.config.hash) return 'unchanged'
  if (hash === state.refused?.hash && !forced) return 'still-refused'
  return state.attempt.state === 'pending' && hash === state.attempt.hash ? 'still-pending' : 'try'
}

/** Pure: the first state, right after boot. */
export function firstState(fact: Fact & { kind: 'applied' }): State {
  const { config, origin, onProbation, at } = fact
  return {
    running: { config, origin, onProbation, revision: 1, since: at },
    attempt: { state: 'applied', hash: config.hash, at },
  }
}

/** Pure: the state after a fact. */
export function reduce(state: State, fact: Fact): State {
  const { running } = state
  switch (fact.kind) {
    case 'applied': {
      const first = firstState(fact)
      // The last-known-good is not what the sources say: what was refused of them still is.
      const refused = fact.origin === 'lkg' && state.refused ? { refused: state.refused } : {}
      return { ...first, ...refused, running: { ...first.running, revision: running.revision + 1 } }
    }
    case 'rejected': {
      const attempt: AttemptStatus = { ...attemptOf(fact), state: 'rejected' }
      // Layers that could not be read say nothing of the hash that was refused before.
      return attempt.hash === undefined ? { ...state, attempt } : { ...state, attempt, refused: attempt }
    }
    case 'rolled-back': {
      const attempt: AttemptStatus = { ...attemptOf(fact), state: 'rolled-back' }
      // Where the sources have gone on to something that was refused too, that is what they still say.
      return { ...state, attempt, refused: state.refused ?? attempt }
    }
    case 'pending': {
      const { refused: _, ...rest } = state
      return { ...rest, attempt: { state: 'pending', hash: fact.hash, at: fact.at } }
    }
    case 'proven':
      return { ...state, running: { ...running, onProbation: false } }
    case 'unchanged': {
      const { refused: _, ...rest } = state
      const { attempt } = state
      const settled = attempt.state === 'applied'
      const hash = running.config.hash
      return {
        ...rest,
        running: { ...running, origin: 'live', config: { ...running.config, layers: fact.config.layers } },
        attempt: settled ? attempt : { state: 'applied', hash, at: fact.at },
      }
    }
    case 'still-refused':
      return { ...state, attempt: state.refused ?? state.attempt }
  }
}

/** Pure: whether a rejection tells something that the attempt before did not. */
export function isNews(before: AttemptStatus, after: AttemptStatus): boolean {
  if (before.state !== after.state || before.hash !== after.hash) return true
  return before.error?.code !== after.error?.code || before.error?.message !== after.error?.message
}

function attemptOf(fact: Fact & { kind: 'rejected' | 'rolled-back' }): Omit<AttemptStatus, 'state'> {
  const { hash, at, error } = fact
  return { at, error, ...(hash === undefined ? {} : { hash }) }
}
