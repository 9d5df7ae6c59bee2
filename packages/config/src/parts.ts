import { isDeepStrictEqual } from 'node:util'
import { withTimeout } from '@holdfast/core'
import { configError } from './errors.ts'
import type { Settings } from './options.ts'
import type { Secrets } from './redact.ts'

/** A derived part without its types: the engine only moves it about. */
export interface PartSpec {
  readonly name: string
  readonly select: (value: unknown) => unknown
  readonly open: (selected: unknown, options: { readonly signal: AbortSignal }) => Promise<unknown>
  readonly dispose: (part: unknown, options: { readonly signal: AbortSignal }) => Promise<void>
}

export interface Part {
  readonly name: string
  readonly slot: { readonly current: unknown }
  close(): Promise<void>
}

/** New parts that are open beside the old ones. Swap or discard them. */
export interface Prepared {
  /** One synchronous turn, without any code of the user's. Returns how to end the old parts. */
  swap(): () => Promise<void>
  discard(): Promise<void>
}

export interface Parts {
  /** Opens a part on a value and keeps it. */
  add(spec: PartSpec, value: unknown, signal: AbortSignal): Promise<Part>
  /** Opens anew, one after the other, each part whose selection has changed. Rejects with `CONFIG_OPEN_FAILED` when one fails, after the others are discarded. */
  prepare(value: unknown, signal: AbortSignal): Promise<Prepared>
  /** Ends every part, the youngest first. */
  close(): Promise<void>
}

interface Slot {
  readonly spec: PartSpec
  selected: unknown
  current: unknown
  /** Set by closing: from then on nothing is swapped in. */
  ended: Promise<void> | undefined
}

interface Opened {
  readonly slot: Slot
  readonly selected: unknown
  readonly next: unknown
}

export function createParts(
  { openTimeoutMs, disposeTimeoutMs, clock }: Settings,
  secrets: Secrets,
  onDisposeFailed: (part: string, error: unknown) => void,
): Parts {
  const slots = new Set<Slot>()
  return { add, prepare, close }

  async function add(spec: PartSpec, value: unknown, signal: AbortSignal): Promise<Part> {
    if ([...slots].some((slot) => slot.spec.name === spec.name))
      throw new TypeError(`derive: name must be unique, got ${JSON.stringify(spec.name)} twice`)
    const { selected, next } = await open(spec, select(spec, value), signal)
    const slot: Slot = { spec, selected, current: next, ended: undefined }
    slots.add(slot)
    return { name: spec.name, slot, close: () => end(slot) }
  }

  async function prepare(value: unknown, signal: AbortSignal): Promise<Prepared> {
    const opened: Opened[] = []
    const discard = (): Promise<void> => disposeAll(opened.map(({ slot, next }) => ({ slot, part: next })))
    try {
      for (const slot of slots) {
        if (slot.ended) continue
        const selected = select(slot.spec, value)
        if (isDeepStrictEqual(selected, slot.selected)) continue
        opened.push({ slot, ...(await open(slot.spec, selected, signal)) })
      }
    } catch (error) {
      await discard()
      throw error
    }
    return { swap: () => swap(opened), discard }
  }

  function swap(opened: readonly Opened[]): () => Promise<void> {
    const retired = opened.map(({ slot, selected, next }) => {
      if (slot.ended) return { slot, part: next }
      const part = slot.current
      slot.current = next
      slot.selected = selected
      return { slot, part }
    })
    return () => disposeAll(retired)
  }

  async function open(
    spec: PartSpec,
    selected: unknown,
    signal: AbortSignal,
  ): Promise<{ selected: unknown; next: unknown }> {
    const onTimeout = (): Error => new Error(`no answer in ${openTimeoutMs} ms`)
    let opening: Promise<unknown> | undefined
    try {
      const next = await withTimeout(
        (scope) => {
          opening = (async () => spec.open(selected, { signal: scope }))()
          return opening
        },
        { timeoutMs: openTimeoutMs, onTimeout, signal, clock },
      )
      return { selected, next }
    } catch (cause) {
      // Too late is not never: what opens after all is nobody's, and a late failure was reported as the timeout.
      void opening?.then(
        (part) => disposeOne(spec, part),
        () => undefined,
      )
      signal.throwIfAborted()
      throw openFailed(spec, cause)
    }
  }

  function select(spec: PartSpec, value: unknown): unknown {
    try {
      return spec.select(value)
    } catch (cause) {
      throw openFailed(spec, cause)
    }
  }

  function openFailed(spec: PartSpec, cause: unknown): Error {
    const problem = secrets.redactText(cause instanceof Error ? cause.message : String(cause))
    return configError('CONFIG_OPEN_FAILED', `part ${spec.name} did not open on this config: ${problem}`, {
      cause: secrets.redactError(cause),
      fields: { part: spec.name },
    })
  }

  async function end(slot: Slot): Promise<void> {
    slots.delete(slot)
    slot.ended ??= disposeOne(slot.spec, slot.current)
    await slot.ended
  }

  async function close(): Promise<void> {
    for (const slot of [...slots].reverse()) await end(slot)
  }

  async function disposeAll(parts: readonly { slot: Slot; part: unknown }[]): Promise<void> {
    for (const { slot, part } of parts.toReversed()) await disposeOne(slot.spec, part)
  }

  async function disposeOne(spec: PartSpec, part: unknown): Promise<void> {
    const onTimeout = (): Error => new Error(`${spec.name} was not disposed of in ${disposeTimeoutMs} ms`)
    try {
      await withTimeout(async (signal) => spec.dispose(part, { signal }), {
        timeoutMs: disposeTimeoutMs,
        onTimeout,
        clock,
      })
    } catch (error) {
      onDisposeFailed(spec.name, secrets.redactError(error))
    }
  }
}

/** Ends a part by what it has: drain, then asyncDispose, close or dispose. Plain data has nothing to end. */
export async function disposeByShape(
  part: unknown,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  if ((typeof part !== 'object' && typeof part !== 'function') || part === null) return
  const shape = part as Partial<AsyncDisposable & Disposable> & {
    drain?: (options: { readonly signal: AbortSignal }) => Promise<void>
    close?: () => unknown
  }
  try {
    await shape.drain?.(options)
  } finally {
    if (shape[Symbol.asyncDispose]) await shape[Symbol.asyncDispose]?.()
    else if (typeof shape.close === 'function') await shape.close()
    else shape[Symbol.dispose]?.()
  }
}
