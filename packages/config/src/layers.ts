import { type HoldfastError, isHoldfastError, withTimeout } from '@holdfast/core'
import { type Document, hashOf, toDocument } from './document.ts'
import { type ConfigErrorCode, configError } from './errors.ts'
import { freezeDocument } from './freeze.ts'
import type { Settings } from './options.ts'
import type { Secrets } from './redact.ts'
import type { Loaded, RunningSource, Source, SourceContext } from './source.ts'
import type { LayerStatus } from './status.ts'

/** One layer as it was last read. */
export interface Layer extends LayerStatus {
  /** Absent when the layer is. */
  readonly document?: Document
  /** The version to come, where the source has one. */
  readonly staged?: Layer
}

/** All sources of a config, read together. */
export interface Layers {
  /** Reads every source, in parallel. Rejects with the first failure, in the order of the sources, that an optional layer's previous value cannot stand in for. */
  load(options: LayersLoadOptions): Promise<readonly Layer[]>
  /** Makes layers the previous values of sources that were never read. */
  seed(layers: readonly Layer[]): void
  /** Sources whose latest reading failed. */
  readonly unreachable: number
  /** Whether a source has a version to come. */
  readonly hasStaged: boolean
  close(): Promise<void>
}

export interface LayersLoadOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly fresh: boolean
}

export interface LayersOptions {
  readonly settings: Settings
  readonly context: SourceContext
  readonly secrets: Secrets
  readonly onFailed: (source: string, error: HoldfastError<ConfigErrorCode>) => void
  readonly onRecovered: (source: string) => void
}

export function startLayers({ settings, context, secrets, onFailed, onRecovered }: LayersOptions): Layers {
  const running = settings.sources.map((source) => ({ source, running: source.start(context) }))
  const previous = new Map<string, Layer>()
  const failing = new Set<string>()
  return {
    load,
    seed(layers) {
      for (const layer of layers) if (!previous.has(layer.source)) previous.set(layer.source, layer)
    },
    get unreachable() {
      return failing.size
    },
    get hasStaged() {
      return [...previous.values()].some((layer) => layer.staged)
    },
    async close() {
      await Promise.all(running.map((entry) => entry.running.close()))
    },
  }

  async function load(options: LayersLoadOptions): Promise<readonly Layer[]> {
    const results = await Promise.all(running.map((entry) => loadOne(entry.source, entry.running, options)))
    options.signal.throwIfAborted()
    const failure = results.find((result) => result instanceof Error)
    if (failure) throw failure
    return results as readonly Layer[]
  }

  async function loadOne(
    source: Source,
    from: RunningSource,
    { timeoutMs, signal, fresh }: LayersLoadOptions,
  ): Promise<Layer | Error> {
    const { clock } = settings
    const onTimeout = (): Error => new Error(`no answer in ${timeoutMs} ms`)
    try {
      const loaded = await withTimeout((scope) => from.load({ signal: scope, fresh }), {
        timeoutMs,
        onTimeout,
        signal,
        clock,
      })
      const layer = layerOf(source, loaded)
      if (failing.delete(source.name)) onRecovered(source.name)
      previous.set(source.name, layer)
      return layer
    } catch (cause) {
      if (signal.aborted) return new Error('aborted')
      const error = sourceError(source.name, cause, secrets)
      if (!isOutage(error)) return error
      if (!failing.has(source.name)) onFailed(source.name, error)
      failing.add(source.name)
      return source.optional ? standIn(source, previous.get(source.name)) : error
    }
  }
}

/** Pure: what a reading means for the layer. Throws what refuses the attempt. */
function layerOf(source: Source, loaded: Loaded): Layer {
  if (loaded.kind === 'empty')
    throw configError('CONFIG_EMPTY', `${source.name} is empty; write {} for a layer with nothing in it`, {
      fields: { source: source.name },
    })
  if (loaded.kind === 'document') {
    const staged = loaded.staged && presentLayer(source.name, loaded.staged)
    return { ...presentLayer(source.name, loaded), ...(staged ? { staged } : {}) }
  }
  if (source.optional) return without(source.name, 'absent')
  throw configError('CONFIG_MISSING', `${source.name} is not there; create it, or make the source optional`, {
    fields: { source: source.name },
  })
}

function presentLayer(source: string, loaded: { document: unknown; revision: string }): Layer {
  const document = freezeDocument(toDocument(source, loaded.document))
  return { source, state: 'present', revision: loaded.revision, hash: hashOf(document), document }
}

function without(source: string, state: 'absent' | 'unreachable'): Layer {
  return { source, state, revision: '', hash: '' }
}

function standIn(source: Source, previous: Layer | undefined): Layer {
  if (!previous) return without(source.name, 'unreachable')
  const { staged: _, ...layer } = previous
  return layer.state === 'present' ? { ...layer, state: 'stale' } : layer
}

const denials = ['EACCES', 'EPERM', 'STORE_DENIED']

function sourceError(source: string, cause: unknown, secrets: Secrets): HoldfastError<ConfigErrorCode> {
  if (isHoldfastError<ConfigErrorCode>(cause) && cause.code in configError.codes) return cause
  const code = (cause as { code?: unknown } | undefined)?.code
  const problem = secrets.redactText(cause instanceof Error ? cause.message : String(cause))
  const details = { cause: secrets.redactError(cause), fields: { source } }
  return denials.includes(String(code))
    ? configError('CONFIG_DENIED', `${source} may not be read: ${problem}`, details)
    : configError('CONFIG_UNREACHABLE', `${source} cannot be reached: ${problem}`, details)
}

/** The layer without what it says. */
export function statusOfLayer({ source, state, revision, hash }: Layer): LayerStatus {
  return { source, state, revision, hash }
}

/** Whether the source failed to answer, rather than answered with something unfit. */
export function isOutage(error: unknown): boolean {
  return isHoldfastError(error, 'CONFIG_UNREACHABLE') || isHoldfastError(error, 'CONFIG_DENIED')
}
