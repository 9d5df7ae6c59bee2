import { type Backoff, backoffMs, checkBackoff, type HoldfastError, isHoldfastError } from '@holdfast/core'
import { candidateOf, type Valid, validate } from './candidate.ts'
import type { Boot, EngineParts } from './engine.ts'
import { type ConfigErrorCode, configError } from './errors.ts'
import { isOutage } from './layers.ts'
import type { GoodRecord, ProbationMark } from './record.ts'

/** How a source that cannot be reached is asked again, at boot and later. */
export const sourceBackoff: Backoff = checkBackoff('sourceBackoff', {
  minMs: 100,
  maxMs: 30_000,
  jitter: 'equal',
})

/**
 * Chooses what the process starts with: what the sources say, if that can be had in time, is valid
 * and did not kill the process before; else the last-known-good; else nothing, with the error.
 */
export async function chooseBoot(tools: EngineParts): Promise<Boot> {
  const remembered = await recall(tools)
  const good = remembered.good
  try {
    const config = await loadLive(tools)
    refuseKiller(config.hash, remembered.mark, good)
    return { config, origin: 'live', ...remembered }
  } catch (error) {
    tools.signal.throwIfAborted()
    if (!isHoldfastError<ConfigErrorCode>(error)) throw error
    if (!good) throw withoutFallback(error, remembered.saveError, tools)
    const at = tools.settings.clock.wall()
    const hash = error.fields['hash'] as string | undefined
    const about = { error, at, ...(hash === undefined ? {} : { hash }) }
    const failure =
      isHoldfastError(error, 'CONFIG_ROLLED_BACK') && hash !== undefined
        ? ({ kind: 'rolled-back', ...about, hash } as const)
        : ({ kind: 'rejected', ...about } as const)
    return { config: good, origin: 'lkg', failure, ...remembered }
  }
}

interface Recalled {
  readonly good: Valid | undefined
  readonly mark: ProbationMark | undefined
  readonly saveError?: HoldfastError<ConfigErrorCode>
}

/** The newest record that this release's schema accepts; its layers stand in for optional sources that are out. */
async function recall({ lastKnownGood, layers, settings, secrets, signal }: EngineParts): Promise<Recalled> {
  const problems: string[] = []
  try {
    const { records, mark, problems: found } = await lastKnownGood.read()
    problems.push(...found)
    for (const record of records) {
      try {
        const good = await revive(record)
        layers.seed(good.layers)
        return { good, mark, ...unused(problems) }
      } catch (error) {
        signal.throwIfAborted()
        problems.push(`generation ${record.generation}: ${(error as Error).message}`)
      }
    }
    return { good: undefined, mark, ...unused(problems) }
  } catch (error) {
    signal.throwIfAborted()
    if (!isHoldfastError<ConfigErrorCode>(error)) throw error
    return { good: undefined, mark: undefined, saveError: error }
  }

  async function revive(record: GoodRecord): Promise<Valid> {
    return validate(candidateOf(record.layers), settings, secrets, signal)
  }
}

function unused(problems: readonly string[]): { saveError?: HoldfastError<ConfigErrorCode> } {
  if (problems.length === 0) return {}
  const message = `part of the last-known-good was not used: ${problems.join('; ')}`
  return { saveError: configError('CONFIG_SAVE_FAILED', message, { fields: { problems } }) }
}

/** Reads and validates the sources, again and again while one cannot be reached, until `bootTimeoutMs` is up. */
async function loadLive({ layers, settings, secrets, signal }: EngineParts): Promise<Valid> {
  const { clock, bootTimeoutMs, random } = settings
  const until = clock.now() + bootTimeoutMs
  for (let failures = 1; ; failures += 1) {
    try {
      const read = await layers.load({ timeoutMs: Math.max(until - clock.now(), 1), signal, fresh: false })
      return await validate(candidateOf(read), settings, secrets, signal)
    } catch (error) {
      const pauseMs = backoffMs(sourceBackoff, failures, random)
      if (!isOutage(error) || clock.now() + pauseMs >= until) throw error
      await clock.sleep(pauseMs, signal)
      signal.throwIfAborted()
    }
  }
}

/** A config that was on probation when the process died is not tried again, unless there is nothing else. */
function refuseKiller(hash: string, mark: ProbationMark | undefined, good: Valid | undefined): void {
  if (!mark || mark.hash !== hash || !good || good.hash === hash) return
  const how = mark.state === 'trying' ? 'the process died with it on probation' : 'it failed its probation'
  const message = `config ${hash.slice(0, 12)} is not tried again: ${how}; fix it at its source, or refresh()`
  throw configError('CONFIG_ROLLED_BACK', message, { fields: { hash } })
}

function withoutFallback(
  error: HoldfastError<ConfigErrorCode>,
  saveError: HoldfastError<ConfigErrorCode> | undefined,
  { settings }: EngineParts,
): HoldfastError<ConfigErrorCode> {
  const why =
    saveError?.message ?? (settings.lastKnownGood ? 'there is none yet' : 'no folder was given for it')
  return configError(error.code, `${error.message} (and no last-known-good: ${why})`, {
    ...(error.cause === undefined ? {} : { cause: error.cause }),
    fields: error.fields,
    retryable: error.retryable,
  })
}
