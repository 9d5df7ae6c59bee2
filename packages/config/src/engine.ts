import { type Events, type HoldfastError, isHoldfastError } from '@holdfast/core'
import { type Candidate, candidateOf, type Valid, validate } from './candidate.ts'
import type { ConfigErrorCode } from './errors.ts'
import { asConfigError, messageOf, probationError } from './failure.ts'
import { createKeeper, type Keeper } from './keeper.ts'
import type { LastKnownGood } from './last-known-good.ts'
import { isOutage, type Layers, statusOfLayer } from './layers.ts'
import { changedPaths } from './merge.ts'
import type { Settings } from './options.ts'
import type { Part, PartSpec, Parts } from './parts.ts'
import { watchProbation } from './probation.ts'
import type { Secrets } from './redact.ts'
import { decide, type Fact, firstState, isNews, reduce, type State } from './state.ts'
import type { Origin, StagedStatus } from './status.ts'
import type { ConfigEvents } from './types.ts'

/** What the engine works with; `emit` is the config's own. */
export interface EngineParts {
  readonly settings: Settings
  readonly layers: Layers
  readonly parts: Parts
  readonly lastKnownGood: LastKnownGood
  readonly secrets: Secrets
  readonly emit: Events<ConfigEvents>['emit']
  /** Makes visible what runs now. */
  readonly show: (running: State['running']) => void
  /** Aborts at close. */
  readonly signal: AbortSignal
}

/** Moves a config from one value to the next. Its calls must not overlap; the caller serializes them. */
export interface Engine {
  readonly state: State
  readonly good: Valid | undefined
  readonly staged: StagedStatus | undefined
  readonly keeper: Keeper
  readonly counts: { applied: number; rejected: number; rolledBack: number }
  /** Reads the sources and applies what is new. Resolves with false when a source could not be reached. */
  attempt(forced: boolean): Promise<boolean>
  derive(spec: PartSpec): Promise<Part>
  /** Ends the probation without a verdict, as a wanted end does. */
  close(): Promise<void>
}

export interface Boot {
  readonly config: Valid
  readonly origin: Origin
  readonly good: Valid | undefined
  /** What became of the sources' own config, where it is not the one that runs. */
  readonly failure?: Fact
  readonly saveError?: HoldfastError<ConfigErrorCode>
}

export interface EngineOptions extends EngineParts {
  readonly boot: Boot
  /** Runs a task when none other runs. */
  readonly exclusive: <T>(task: () => Promise<T>) => Promise<T>
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { settings, layers, parts, lastKnownGood, secrets, emit, show, signal, boot, exclusive } = options
  const { clock } = settings
  const counts = { applied: 1, rejected: 0, rolledBack: 0 }
  const keeper = createKeeper({ lastKnownGood, secrets, emit, error: boot.saveError })
  let probation = new AbortController()
  const engine: Mutable<Engine> = {
    state: firstState(appliedFact(boot.config, boot.origin, boot.good)),
    good: boot.good,
    staged: undefined,
    keeper,
    counts,
    attempt,
    derive,
    close,
  }
  show(engine.state.running)
  if (boot.failure) {
    note(boot.failure)
    counts[boot.failure.kind === 'rolled-back' ? 'rolledBack' : 'rejected'] += 1
  }
  if (boot.origin === 'live') await startRunning(boot.config)
  else if (boot.failure?.kind === 'rolled-back') await keeper.condemn(boot.failure.hash)

  return engine

  async function close(): Promise<void> {
    probation.abort('closed')
    await keeper.acquit(engine.state.running.config.hash)
  }

  async function attempt(forced: boolean): Promise<boolean> {
    let candidate: Candidate | undefined
    const { owed } = keeper
    try {
      const read = await layers.load({ timeoutMs: settings.loadTimeoutMs, signal, fresh: forced })
      candidate = candidateOf(read)
      await consider(candidate, forced)
    } catch (error) {
      if (signal.aborted) return true
      refuse(candidate?.hash, asConfigError(error, secrets), forced)
    }
    if (candidate) await tryStaged(candidate, forced)
    // With each reading of the sources once.
    if (owed && owed === keeper.owed) await keeper.keepOwed()
    return layers.unreachable === 0
  }

  async function consider(candidate: Candidate, forced: boolean): Promise<void> {
    const decision = decide(engine.state, candidate.hash, forced)
    if (decision === 'unchanged') {
      note({ kind: 'unchanged', config: candidate, at: clock.wall() })
    } else if (decision === 'still-refused') {
      note({ kind: 'still-refused' })
    } else if (decision === 'try') {
      const valid = await validate(candidate, settings, secrets, signal)
      if (settings.reload === 'hot') await apply(valid, 'live')
      else await postpone(valid)
    }
  }

  /** The one way in which anything comes to run: new parts, mark, swap, old parts. */
  async function apply(config: Valid, origin: Origin): Promise<void> {
    const prepared = await parts.prepare(config.value, signal)
    const { document: before, hash: beforeHash } = engine.state.running.config
    if (!isProven(config, engine.good)) await keeper.trying(config.hash)
    if (signal.aborted) {
      await prepared.discard()
      signal.throwIfAborted()
    }
    probation.abort('superseded')
    const retire = prepared.swap()
    note(appliedFact(config, origin, engine.good))
    counts.applied += 1
    const { revision } = engine.state.running
    const changed = changedPaths(before, config.document, secrets.covers)
    if (beforeHash !== config.hash) emit('applied', { revision, hash: config.hash, origin, changed })
    await retire()
    await startProving(config)
  }

  function note(fact: Fact): void {
    engine.state = reduce(engine.state, fact)
    show(engine.state.running)
  }

  function isProven(config: Valid, good: Valid | undefined): boolean {
    return settings.probation === undefined || config.hash === good?.hash
  }

  function appliedFact(config: Valid, origin: Origin, good: Valid | undefined): Fact & { kind: 'applied' } {
    return { kind: 'applied', config, origin, onProbation: !isProven(config, good), at: clock.wall() }
  }

  async function startRunning(config: Valid): Promise<void> {
    if (!isProven(config, engine.good)) await keeper.trying(config.hash)
    await startProving(config)
  }

  async function startProving(config: Valid): Promise<void> {
    if (!isProven(config, engine.good)) {
      probation = new AbortController()
      void supervise(config, AbortSignal.any([probation.signal, signal]))
    } else if (config.hash === engine.good?.hash) {
      await keeper.acquit()
    } else await prove(config)
  }

  async function prove(config: Valid): Promise<void> {
    engine.good = config
    note({ kind: 'proven' })
    emit('proven', { hash: config.hash })
    await keeper.keep(config)
  }

  async function supervise(config: Valid, until: AbortSignal): Promise<void> {
    const verdict = await watchProbation(settings.probation!, clock, until)
    if (verdict === 'stopped') return
    await exclusive(async () => {
      if (until.aborted) return
      if (verdict === 'passed') return prove(config)
      probation.abort('failed')
      await failProbation(config, verdict.problem)
    })
  }

  async function failProbation(config: Valid, cause: unknown): Promise<void> {
    const problem = secrets.redactText(messageOf(cause))
    const error = probationError(config, problem, secrets.redactError(cause), settings)
    try {
      if (await rollBack(error)) return
    } catch (failure) {
      if (signal.aborted) return
      refuse(engine.good?.hash, asConfigError(failure, secrets), true)
    }
    // Nothing to return to, or it does not open any more: what runs goes on, and stays suspect.
    refuse(config.hash, error, true)
  }

  /** True when the last-known-good runs again; false when there is none, or a restart is to bring it. */
  async function rollBack(error: HoldfastError<ConfigErrorCode>): Promise<boolean> {
    const from = engine.state.running.config
    const { good } = engine
    if (!good || good.hash === from.hash) return false
    await keeper.condemn(from.hash)
    if (settings.reload === 'restart') return false
    await apply(good, 'lkg')
    note({ kind: 'rolled-back', hash: from.hash, error, at: clock.wall() })
    counts.rolledBack += 1
    emit('rolledBack', { from: from.hash, to: good.hash, error })
    return true
  }

  async function derive(spec: PartSpec): Promise<Part> {
    engine.staged = undefined // it was tried without this part
    try {
      return await parts.add(spec, engine.state.running.config.value, signal)
    } catch (error) {
      const unproven = engine.state.running.onProbation && isHoldfastError(error, 'CONFIG_OPEN_FAILED')
      if (!unproven || signal.aborted) throw error
      const failure = probationError(engine.state.running.config, messageOf(error), error, settings)
      if (!(await rollBack(failure))) throw error
      return await parts.add(spec, engine.state.running.config.value, signal)
    }
  }

  async function postpone(valid: Valid): Promise<void> {
    note({ kind: 'pending', hash: valid.hash, at: clock.wall() })
    const changed = changedPaths(engine.state.running.config.document, valid.document, secrets.covers)
    emit('pending', { hash: valid.hash, changed })
  }

  /** Does all of an apply but the swap, so that every agent of a fleet can say that it could. */
  async function tryStaged({ layers: read }: Candidate, forced: boolean): Promise<void> {
    if (!read.some((layer) => layer.staged)) {
      engine.staged = undefined
      return
    }
    const candidate = candidateOf(read.map((layer) => layer.staged ?? layer))
    const { hash } = candidate
    const tried = { hash, layers: candidate.layers.map(statusOfLayer) }
    if (engine.staged?.hash === hash && !forced) return
    try {
      const valid = await validate(candidate, settings, secrets, signal)
      await (await parts.prepare(valid.value, signal)).discard()
      engine.staged = { ...tried, state: 'prepared' }
      emit('staged', { hash, ready: true })
    } catch (failure) {
      if (signal.aborted) return
      const error = asConfigError(failure, secrets)
      engine.staged = { ...tried, state: 'rejected', error }
      emit('staged', { hash, ready: false, error })
    }
  }

  function refuse(hash: string | undefined, error: HoldfastError<ConfigErrorCode>, forced: boolean): void {
    const before = engine.state.attempt
    const rejected = hash === undefined ? { error } : { hash, error }
    note({ kind: 'rejected', ...rejected, at: clock.wall() })
    if (isOutage(error) || !(forced || isNews(before, engine.state.attempt))) return
    counts.rejected += 1
    emit('rejected', rejected)
  }
}
