import { backoffMs, createEvents, type Stats, type WaitOptions } from '@holdfast/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { chooseBoot, sourceBackoff } from './boot.ts'
import { createEngine, type Engine, type EngineParts } from './engine.ts'
import { configError } from './errors.ts'
import { createExclusive } from './exclusive.ts'
import { type Explanation, explainPath } from './explain.ts'
import { createLastKnownGood } from './last-known-good.ts'
import { type Layers, startLayers } from './layers.ts'
import { type ConfigOptions, checkOptions, type Settings } from './options.ts'
import { createParts, disposeByShape, type PartSpec } from './parts.ts'
import { parsePath } from './path.ts'
import { createSecrets } from './redact.ts'
import { statsOf, statusOf } from './report.ts'
import type { State } from './state.ts'
import type { Origin, Status } from './status.ts'
import type { Config, ConfigEvents, DeepReadonly, Derived, DeriveOptions } from './types.ts'
import { createWakes, type Wakes } from './wakes.ts'

/**
 * Opens a config: resolves when it runs, on what the sources say or on the last-known-good.
 *
 * Rejects with the coded error of what the sources say when that cannot run and there is no
 * last-known-good, no later than `bootTimeoutMs` (and `openTimeoutMs` for a slow schema) after the
 * call. After that the value only ever changes to one that was validated and whose parts are all
 * open. Bad options throw `TypeError` or `RangeError`.
 */
export async function openConfig<Schema extends StandardSchemaV1>(
  options: ConfigOptions<Schema>,
): Promise<Config<StandardSchemaV1.InferOutput<Schema>>> {
  const settings = checkOptions(options)
  settings.signal?.throwIfAborted()
  const stop = new AbortController()
  const events = createEvents<ConfigEvents>()
  const secrets = createSecrets(settings.secrets)
  const wakes = createWakes({ ...settings, signal: stop.signal })
  const { clock, random } = settings
  const layers = startLayers({
    settings,
    secrets,
    context: { wake: wakes.wake, clock, random },
    onFailed: (source, error) => events.emit('sourceFailed', { source, error }),
    onRecovered: (source) => events.emit('sourceRecovered', { source }),
  })
  const parts = createParts(settings, secrets, (part, error) => events.emit('disposeFailed', { part, error }))
  const lastKnownGood = createLastKnownGood(settings)
  const exclusive = createExclusive()
  const live = new Live<StandardSchemaV1.InferOutput<Schema>>()
  const tools: EngineParts = {
    ...{ settings, layers, parts, lastKnownGood, secrets, emit: events.emit, signal: stop.signal },
    show: (running) => Live.show(live, running),
  }
  const engine = await startEngine(tools, exclusive, stop)
  if (layers.hasStaged) wakes.wake()
  const looping = followSources(engine, layers, wakes, settings, exclusive, stop.signal)
  let closing: Promise<void> | undefined

  return Object.assign(live, {
    on: events.on,
    status: () => statusOf(engine),
    stats: (): Stats => statsOf(engine, layers),
    explain(path: string | readonly string[]): Explanation {
      const { value, layers: read } = engine.state.running.config
      return explainPath(
        parsePath('path', path),
        value,
        read.map(({ staged: _, ...layer }) => layer),
        secrets,
      )
    },
    derive,
    async refresh({ signal }: WaitOptions = {}): Promise<Status> {
      signal?.throwIfAborted()
      await untilAborted(exclusive(checkedOpen(() => engine.attempt(true))), signal)
      return statusOf(engine)
    },
    close,
    [Symbol.asyncDispose]: close,
  })

  async function derive<S, P>(given: DeriveOptions<never, S, P>): Promise<Derived<P>> {
    const spec = given as unknown as PartSpec
    const part = await exclusive(
      checkedOpen(() => engine.derive({ ...spec, dispose: spec.dispose ?? disposeByShape })),
    )
    if (layers.hasStaged) wakes.wake() // it has to open on the version to come, too
    return Object.assign(new LivePart<P>(part.slot as { current: P }), {
      name: part.name,
      close: part.close,
      [Symbol.asyncDispose]: part.close,
    })
  }

  function checkedOpen<T>(task: () => Promise<T>): () => Promise<T> {
    return async () => {
      if (stop.signal.aborted) throw configError('CONFIG_CLOSED', 'the config is closed')
      return task()
    }
  }

  function close(): Promise<void> {
    closing ??= end()
    return closing
  }

  async function end(): Promise<void> {
    stop.abort(configError('CONFIG_CLOSED', 'the config was closed'))
    await looping
    await exclusive(() => engine.close())
    await parts.close()
    await layers.close()
  }
}

/**
 * What of a config changes by itself: private fields behind accessors on a prototype.
 *
 * V8 inlines those down to one plain load. A getter that walks through the engine's state instead costs twelve times
 * that once any config of the process was refused or rolled back: all configs share its inline caches, and states that
 * were spread together differently have different shapes.
 */
class Live<T> {
  #value!: DeepReadonly<T>
  #origin!: Origin
  #revision!: number
  #hash!: string

  static show<T>(live: Live<T>, { config, origin, revision }: State['running']): void {
    live.#value = config.value as DeepReadonly<T>
    live.#origin = origin
    live.#revision = revision
    live.#hash = config.hash
  }

  get value(): DeepReadonly<T> {
    return this.#value
  }

  get origin(): Origin {
    return this.#origin
  }

  get revision(): number {
    return this.#revision
  }

  get hash(): string {
    return this.#hash
  }
}

/** The same for a derived part. */
class LivePart<P> {
  readonly #slot: { readonly current: P }

  constructor(slot: { readonly current: P }) {
    this.#slot = slot
  }

  get current(): P {
    return this.#slot.current
  }
}

/** Boots under the caller's signal; whatever ends the boot ends the sources too. */
async function startEngine(
  tools: EngineParts,
  exclusive: ReturnType<typeof createExclusive>,
  stop: AbortController,
): Promise<Engine> {
  const { signal } = tools.settings
  const forward = (): void => stop.abort(signal?.reason)
  signal?.addEventListener('abort', forward, { once: true })
  try {
    return await createEngine({ ...tools, boot: await chooseBoot(tools), exclusive })
  } catch (error) {
    stop.abort(error)
    await tools.layers.close()
    throw error
  } finally {
    signal?.removeEventListener('abort', forward)
  }
}

/** The loop: wake, settle, attempt; sooner again while a source cannot be reached. */
async function followSources(
  engine: Engine,
  layers: Layers,
  wakes: Wakes,
  { resyncMs, random }: Settings,
  exclusive: ReturnType<typeof createExclusive>,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = layers.unreachable > 0 ? 1 : 0; !signal.aborted; ) {
    const backoff = failures > 0 ? backoffMs(sourceBackoff, failures, random) : Number.POSITIVE_INFINITY
    await wakes.settled(Math.min(backoff, resyncMs))
    if (signal.aborted) return
    failures = (await exclusive(() => engine.attempt(false))) ? 0 : failures + 1
  }
}

/** The caller's signal ends the waiting, not what is waited for. */
async function untilAborted<T>(task: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return task
  const ended = new AbortController()
  try {
    return await new Promise<T>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { signal: ended.signal })
      task.then(resolve, reject)
    })
  } finally {
    ended.abort()
  }
}
