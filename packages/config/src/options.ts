import {
  type Clock,
  checkFunction,
  checkInteger,
  checkMethods,
  checkNumber,
  checkOneOf,
  checkString,
  type Random,
  systemClock,
} from '@holdfast/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type FileSystem, nodeFileSystem } from './file-system.ts'
import { parsePath } from './path.ts'
import type { Source } from './source.ts'

export interface ConfigOptions<Schema extends StandardSchemaV1> {
  /** Any Standard Schema: zod, valibot, arktype. Its output is `config.value`. */
  schema: Schema
  /** The layers, at least one; later ones win. */
  sources: readonly Source[]
  /** The folder in which the last-known-good is kept, or more about it. @default kept in memory only */
  lastKnownGood?: string | LastKnownGoodOptions
  /** Paths that are never shown, such as `upstream.token`; `*` is any one key. @default none */
  secrets?: readonly string[]
  /** How long the sources must be quiet before they are read, and the longest that this is waited for, in milliseconds. @default [50, 500] */
  settleMs?: readonly [quietMs: number, longestMs: number]
  /** Each change waits a random part of this before it is read, in milliseconds, so that a fleet does not read at once. @default 0 */
  splayMs?: number
  /** How long to wait for the sources at boot before the last-known-good is used, in milliseconds, > 0. @default 3_000 */
  bootTimeoutMs?: number
  /** How long one reading of all sources may take after boot, in milliseconds, > 0. @default 10_000 */
  loadTimeoutMs?: number
  /** How long validating, and each part's `open`, may take, in milliseconds, > 0. @default 10_000 */
  openTimeoutMs?: number
  /** How long one part may take to drain and dispose, in milliseconds, > 0. @default 30_000 */
  disposeTimeoutMs?: number
  /** The sources are read at least this often, whatever their watches say, in milliseconds, > 0; `Infinity` for never. @default 300_000 */
  resyncMs?: number
  /** `restart`: what changes is validated and reported as pending, and the value stays what it was at boot, also when probation fails: the next boot then takes the last-known-good. @default 'hot' */
  reload?: 'hot' | 'restart'
  /** What a new config has to pass before it is the last-known-good. @default none: it is, once applied */
  probation?: ProbationOptions
  /** Ends the wait at boot. */
  signal?: AbortSignal | undefined
  /** @default systemClock */
  clock?: Clock
  /** @default Math.random */
  random?: Random
}

export interface LastKnownGoodOptions {
  /** Made if it is not there. One process at a time; readable by its owner alone, since it holds secrets. */
  folder: string
  /** Names the schema; what was written under another name is not used. Every record is validated anyway. @default 'default' */
  schemaId?: string
  /** @default the disk of this machine */
  fileSystem?: FileSystem
}

export interface ProbationOptions {
  /** How long a new config stays on probation, in milliseconds, > 0. */
  forMs: number
  /** Whether all is well. False, a rejection, and no answer within `everyMs` are failures. */
  healthy: (options: { readonly signal: AbortSignal }) => Promise<boolean>
  /** The pause between two checks, in milliseconds, > 0. @default a fifth of forMs */
  everyMs?: number
  /** So many failures in a row roll back, ≥ 1. The probation ends with the first success after `forMs`. @default 3 */
  failAfter?: number
}

export interface Settings {
  schema: StandardSchemaV1
  sources: readonly Source[]
  lastKnownGood: Required<LastKnownGoodOptions> | undefined
  secrets: readonly (readonly string[])[]
  settleMs: readonly [number, number]
  splayMs: number
  bootTimeoutMs: number
  loadTimeoutMs: number
  openTimeoutMs: number
  disposeTimeoutMs: number
  resyncMs: number
  reload: 'hot' | 'restart'
  probation: Required<ProbationOptions> | undefined
  signal: AbortSignal | undefined
  clock: Clock
  random: Random
}

const aboveZero = { min: Number.MIN_VALUE }
const maybeNever = { ...aboveZero, max: Number.POSITIVE_INFINITY }

export function checkOptions(options: ConfigOptions<StandardSchemaV1>): Settings {
  const [quietMs, longestMs] = options.settleMs ?? [50, 500]
  return {
    schema: checkSchema(options.schema),
    sources: checkSources(options.sources),
    lastKnownGood: checkLastKnownGood(options.lastKnownGood),
    secrets: (options.secrets ?? []).map((path) => parsePath('secrets', path)),
    settleMs: [
      checkNumber('settleMs[0]', quietMs, { min: 0 }),
      checkNumber('settleMs[1]', longestMs, { min: quietMs }),
    ],
    splayMs: checkNumber('splayMs', options.splayMs ?? 0, { min: 0 }),
    bootTimeoutMs: checkNumber('bootTimeoutMs', options.bootTimeoutMs ?? 3_000, aboveZero),
    loadTimeoutMs: checkNumber('loadTimeoutMs', options.loadTimeoutMs ?? 10_000, aboveZero),
    openTimeoutMs: checkNumber('openTimeoutMs', options.openTimeoutMs ?? 10_000, aboveZero),
    disposeTimeoutMs: checkNumber('disposeTimeoutMs', options.disposeTimeoutMs ?? 30_000, aboveZero),
    resyncMs: checkNumber('resyncMs', options.resyncMs ?? 300_000, maybeNever),
    reload: checkOneOf('reload', options.reload ?? 'hot', ['hot', 'restart']),
    probation: checkProbation(options.probation),
    signal: options.signal,
    clock: checkMethods('clock', options.clock ?? systemClock, ['now', 'wall', 'sleep']),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

function checkSchema(schema: StandardSchemaV1 | undefined): StandardSchemaV1 {
  if (typeof schema?.['~standard']?.validate === 'function') return schema
  throw new TypeError('schema must be a Standard Schema, such as an object schema of zod, valibot or arktype')
}

function checkSources(sources: readonly Source[] | undefined): readonly Source[] {
  if (!Array.isArray(sources) || sources.length === 0)
    throw new TypeError('sources must be an array of at least one source')
  const names = new Set<string>()
  for (const source of sources as readonly Source[]) {
    checkMethods('sources', source, ['start'])
    if (names.has(checkString('sources: name', source.name)))
      throw new TypeError(`sources must have different names, got ${JSON.stringify(source.name)} twice`)
    names.add(source.name)
  }
  return [...sources]
}

function checkLastKnownGood(
  given: string | LastKnownGoodOptions | undefined,
): Required<LastKnownGoodOptions> | undefined {
  if (given === undefined) return undefined
  const options = typeof given === 'object' ? given : { folder: given }
  return {
    folder: checkString('lastKnownGood.folder', options.folder),
    schemaId: checkString('lastKnownGood.schemaId', options.schemaId ?? 'default'),
    fileSystem: checkMethods('lastKnownGood.fileSystem', options.fileSystem ?? nodeFileSystem, [
      'makeFolder',
      'read',
      'write',
      'rename',
      'remove',
      'syncFolder',
    ]),
  }
}

function checkProbation(given: ProbationOptions | undefined): Required<ProbationOptions> | undefined {
  if (given === undefined) return undefined
  const forMs = checkNumber('probation.forMs', given.forMs, aboveZero)
  return {
    forMs,
    healthy: checkFunction('probation.healthy', given.healthy),
    everyMs: checkNumber('probation.everyMs', given.everyMs ?? forMs / 5, aboveZero),
    failAfter: checkInteger('probation.failAfter', given.failAfter ?? 3, { min: 1 }),
  }
}
