import { type Document, isObject, type Json } from './document.ts'
import { ownValue } from './merge.ts'
import { showPath } from './path.ts'
import type { Secrets } from './redact.ts'
import type { LayerStatus } from './status.ts'

/** Why a path has the value that it has. */
export interface Explanation {
  readonly path: string
  /** As it runs: after the schema's defaults and coercions. `undefined` when nothing stands there. */
  readonly value: unknown
  /** Every layer, in the order of the sources. Where none won, the value is the schema's own. */
  readonly layers: readonly LayerExplanation[]
}

export interface LayerExplanation extends LayerStatus {
  /** `replaces`: it has no value at the path, because something above it is no object there. */
  readonly says: 'sets' | 'deletes' | 'replaces' | 'nothing'
  /** What it sets. */
  readonly value?: unknown
  /** Whether the merged value at the path, a part of it, or its absence is this layer's doing. */
  readonly won: boolean
}

export interface ExplainedLayer extends LayerStatus {
  readonly document?: Document
}

/** Pure: what each layer says about a path, and whose word counts. */
export function explainPath(
  path: readonly string[],
  value: unknown,
  layers: readonly ExplainedLayer[],
  secrets: Secrets,
): Explanation {
  const sayings = layers.map((layer) => sayingOf(layer.document, path))
  const winners = winnersOf(path, layers, sayings)
  return {
    path: showPath(path),
    value: secrets.redactValue(path.reduce(ownValue, value), path),
    layers: layers.map(({ document: _, ...layer }, index) => {
      const saying = sayings[index]!
      const shown = saying.says === 'sets' ? { value: secrets.redactValue(saying.value, path) } : {}
      return { ...layer, says: saying.says, ...shown, won: winners.has(index) }
    }),
  }
}

type Saying = { says: 'sets'; value: Json } | { says: 'deletes' | 'replaces' | 'nothing' }

function sayingOf(document: Document | undefined, path: readonly string[]): Saying {
  let value: unknown = document
  for (const key of path) {
    if (value === undefined) return { says: 'nothing' }
    if (value === null) return { says: 'deletes' }
    if (!isObject(value) && !(Array.isArray(value) && Object.hasOwn(value, key))) return { says: 'replaces' }
    value = ownValue(value, key)
  }
  if (value === undefined) return { says: 'nothing' }
  return value === null ? { says: 'deletes' } : { says: 'sets', value: value as Json }
}

/** The merged document with, at each node, the layer that put it there. */
interface Origins {
  readonly by: number
  readonly children?: ReadonlyMap<string, Origins>
}

function originsOf(below: Origins | undefined, patch: Json, by: number): Origins {
  if (!isObject(patch)) return { by }
  const children = new Map(below?.children)
  for (const [key, value] of Object.entries(patch) as [string, Json][]) {
    if (value === null) children.delete(key)
    else children.set(key, originsOf(children.get(key), value, by))
  }
  return { by: below?.children ? below.by : by, children }
}

function winnersOf(
  path: readonly string[],
  layers: readonly ExplainedLayer[],
  sayings: readonly Saying[],
): ReadonlySet<number> {
  let origins: Origins | undefined
  for (const [index, { document }] of layers.entries())
    if (document) origins = originsOf(origins, document, index)
  let at = origins
  for (const key of path) at = at?.children ? at.children.get(key) : at && arrayItem(at, key)
  if (at) return new Set(leavesOf(at))
  const last = sayings.findLastIndex(({ says }) => says === 'deletes' || says === 'replaces')
  return new Set(last < 0 ? [] : [last])

  function arrayItem(array: Origins, key: string): Origins | undefined {
    const saying = sayings[array.by]
    return saying?.says === 'sets' && key !== undefined ? array : undefined
  }
}

function leavesOf(origins: Origins): readonly number[] {
  if (!origins.children || origins.children.size === 0) return [origins.by]
  return [...origins.children.values()].flatMap(leavesOf)
}
