import type { Clock, Random, WaitOptions } from '@holdfast/core'

/**
 * One layer of the config: a file, a folder, a key of a store.
 *
 * A source is inert until a config starts it, and may be started by several.
 */
export interface Source {
  /** Names the layer in status, errors and `explain`; unique among a config's sources. Never a secret. */
  readonly name: string
  /**
   * What happens without it. A required layer that is absent, or that cannot be reached, refuses
   * the whole attempt, and the running config stays. An optional one that is absent adds nothing;
   * one that cannot be reached keeps its previous value.
   */
  readonly optional: boolean
  /** Begins to watch. Does not fail: whatever is wrong with the source, `load` tells. */
  start(context: SourceContext): RunningSource
}

export interface SourceContext {
  /** Says that something may have changed. A hint, never data: call it too often rather than too seldom. */
  wake(): void
  readonly clock: Clock
  readonly random: Random
}

export interface LoadOptions extends WaitOptions {
  /** Whether what was written before this call must be seen, even where a copy that is a little older is at hand. */
  readonly fresh: boolean
}

export interface RunningSource {
  /**
   * Reads the layer as it is now, consistently: never half of one version and half of the next.
   *
   * A change after this resolves is followed by a `wake`. Rejects with `CONFIG_UNREADABLE` when
   * what it read is no document; every other error means that the source could not be reached.
   */
  load(options: LoadOptions): Promise<Loaded>
  /** Ends the watching; no wake follows. Idempotent. */
  close(): Promise<void>
}

/** A document, an empty one, and none at all are three things; a failure to read is the fourth, and rejects. */
export type Loaded =
  | {
      readonly kind: 'document'
      /** Plain data, as JSON has it; the top must be an object. */
      readonly document: unknown
      /** What the source calls this version, for a reader: a short hash, a store's revision. */
      readonly revision: string
      /** The version that is to come, for every agent to try before any applies it. */
      readonly staged?: { readonly document: unknown; readonly revision: string }
    }
  /** There is a document without anything in it: often a write in progress. Never taken for `{}`. */
  | { readonly kind: 'empty'; readonly revision: string }
  | { readonly kind: 'absent' }

/**
 * Turns a document's text into plain data; `undefined` for a text without a document.
 * The message of what it throws is shown, without anything that it quotes of the text, which may hold secrets.
 */
export type Parser = (text: string) => unknown
