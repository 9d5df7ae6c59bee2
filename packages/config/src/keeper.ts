import type { Events, HoldfastError } from '@holdfast/core'
import type { Valid } from './candidate.ts'
import type { ConfigErrorCode } from './errors.ts'
import { asConfigError } from './failure.ts'
import type { LastKnownGood } from './last-known-good.ts'
import type { Secrets } from './redact.ts'
import type { ConfigEvents } from './types.ts'

/** Remembers across restarts which config is good and which is not. Never rejects: what the disk would not take is told, and tried again. */
export interface Keeper {
  /** Of the last write that failed; undefined once one succeeded. */
  readonly error: HoldfastError<ConfigErrorCode> | undefined
  /** How many writes failed. */
  readonly failures: number
  /** The last-known-good that the disk would not take. */
  readonly owed: Valid | undefined
  keep(config: Valid): Promise<void>
  /** Tries again with what is owed. */
  keepOwed(): Promise<void>
  /** It runs on probation: should the process die now, the next one does not trust it. */
  trying(hash: string): Promise<void>
  /** Not to be tried again by itself. */
  condemn(hash: string): Promise<void>
  /** No verdict: forgets that this one, or any by default, was being tried. */
  acquit(hash?: string): Promise<void>
}

export interface KeeperParts {
  readonly lastKnownGood: LastKnownGood
  readonly secrets: Secrets
  readonly emit: Events<ConfigEvents>['emit']
  /** Of the reading at boot. */
  readonly error: HoldfastError<ConfigErrorCode> | undefined
}

export function createKeeper({ lastKnownGood, secrets, emit, ...start }: KeeperParts): Keeper {
  let { error } = start
  let failures = 0
  let owed: Valid | undefined
  return {
    get error() {
      return error
    },
    get failures() {
      return failures
    },
    get owed() {
      return owed
    },
    keep,
    keepOwed,
    trying: async (hash) => void (await written(() => lastKnownGood.setMark(hash, 'trying'))),
    condemn: async (hash) => void (await written(() => lastKnownGood.setMark(hash, 'failed'))),
    acquit,
  }

  async function keep(config: Valid): Promise<void> {
    if (await save(config)) await written(() => lastKnownGood.clearMark())
  }

  async function keepOwed(): Promise<void> {
    const config = owed
    // What came to run meanwhile may have a mark of its own.
    if (config && (await save(config)) && lastKnownGood.mark?.hash === config.hash)
      await written(() => lastKnownGood.clearMark())
  }

  async function save(config: Valid): Promise<boolean> {
    const isSaved = await written(() => lastKnownGood.save(config.hash, config.layers))
    owed = isSaved ? undefined : config
    return isSaved
  }

  async function acquit(hash?: string): Promise<void> {
    const { mark } = lastKnownGood
    if (mark?.state !== 'trying' || (hash !== undefined && mark.hash !== hash)) return
    await written(() => lastKnownGood.clearMark())
  }

  async function written(write: () => Promise<void>): Promise<boolean> {
    try {
      await write()
      error = undefined
      return true
    } catch (failure) {
      error = asConfigError(failure, secrets)
      failures += 1
      emit('saveFailed', { error })
      return false
    }
  }
}
