import { createHash } from 'node:crypto'
import { checkInteger, checkString } from '@holdfast/core'
import { snapshotError } from '../errors.ts'
import { isId, parseObject } from './tree.ts'

/** What `format.json` says: set when a repository is made, the same for ever. */
export interface Format {
  readonly version: number
  /** The lowest release's format version that may read it, and that may write to it. */
  readonly minReader: number
  readonly minWriter: number
  /** What nothing points to is kept for at least twice this long; a backup that takes more than half of it is given up. In milliseconds. */
  readonly graceMs: number
  readonly chunker: { readonly minBytes: number; readonly averageBytes: number; readonly maxBytes: number }
  /** Whether chunk ids are keyed and packs encrypted. */
  readonly idKeyed: boolean
  /** Tells the master key that the slots must yield, where there is one. */
  readonly keyCheck?: string
}

export const formatVersion = 1
export const formatKey = 'format.json'
export const layoutKey = 'oci-layout'
export const ociLayout: Uint8Array = Buffer.from('{"imageLayoutVersion":"1.0.0"}')

/** With a checksum, since no digest names it: a flipped digit of `graceMs` would have data deleted too early. */
export function encodeFormat(format: Format): Uint8Array {
  return Buffer.from(`${JSON.stringify({ ...format, check: checkOf(format) }, undefined, 2)}\n`)
}

/** Rejects what a later release has written with REPOSITORY_UNSUPPORTED, and what is damaged with OBJECT_CORRUPT. */
export function decodeFormat(bytes: Uint8Array): Format {
  const { check, ...rest } = parsed(bytes)
  const format = rest as unknown as Format
  if (check !== checkOf(format)) throw damaged()
  if (!(format.minReader <= formatVersion && format.minWriter <= formatVersion))
    throw snapshotError(
      'REPOSITORY_UNSUPPORTED',
      `the repository needs a release that knows format ${format.minReader}, and this one knows ${formatVersion}`,
      { fields: { version: format.version } },
    )
  try {
    const { graceMs, chunker } = format
    checkInteger('format.graceMs', graceMs, { min: 1 })
    checkInteger('format.chunker.minBytes', chunker?.minBytes, { min: 1 })
    checkInteger('format.chunker.averageBytes', chunker.averageBytes, { min: chunker.minBytes })
    checkInteger('format.chunker.maxBytes', chunker.maxBytes, { min: chunker.averageBytes, max: 2 ** 30 })
  } catch (cause) {
    throw damaged(cause)
  }
  return format
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    return parseObject(bytes)
  } catch (cause) {
    throw damaged(cause)
  }
}

function checkOf(format: object): string {
  return createHash('sha256').update(JSON.stringify(format)).digest('hex')
}

function damaged(cause?: unknown): Error {
  return snapshotError('OBJECT_CORRUPT', `${formatKey} is damaged: take it from a copy of the repository`, {
    cause,
    fields: { key: formatKey },
  })
}

export function blobKey(hex: string): string {
  return `blobs/sha256/${hex}`
}

/** Says that a snapshot is made of what another manifest lists since some of its packs were rewritten; of several the newest counts. */
export interface Repacked {
  readonly key: string
  readonly snapshot: string
  readonly manifest: string
}

export function repackedPrefix(snapshot: string): string {
  return `repacked/${snapshot}/`
}

/** All is in the key, which no damage to a file's bytes can change. `timeMs` is by the store's clock. */
export function repackedKey(snapshot: string, timeMs: number, manifest: string): string {
  return `${repackedPrefix(snapshot)}${compactTime(timeMs)}-${manifest}`
}

export function parseRepacked(key: string): Repacked | undefined {
  const [, snapshot, manifest] = /^repacked\/([0-9a-f]{64})\/\d{8}T\d{9}Z-([0-9a-f]{64})$/.exec(key) ?? []
  return snapshot && manifest ? { key, snapshot, manifest } : undefined
}

function compactTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/[-:.]/g, '')
}

/** The commit point of a snapshot. */
export interface Ref {
  readonly key: string
  readonly name: string
  readonly timeMs: number
  /** Of the manifest, 64 hexadecimal digits. */
  readonly digest: string
}

export function refKey(name: string, timeMs: number, digest: string): string {
  return `refs/${name}/${compactTime(timeMs)}-${digest}`
}

/** Reads a ref's key; undefined for an object that is none. */
export function parseRef(key: string): Ref | undefined {
  const found = /^refs\/(.+)\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-([0-9a-f]{64})$/.exec(key)
  if (!found) return undefined
  const [name, year, month, day, hour, minute, second, ms, digest] = found.slice(1) as [string, ...string[]]
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`)
  return Number.isNaN(timeMs) || !isId(digest) ? undefined : { key, name, timeMs, digest }
}

/** Returns the name if a snapshot may have it: as an OCI repository's, `edge-7/queue`, of at most 200 characters. */
export function checkName(option: string, name: unknown): string {
  const given = checkString(option, name)
  if (
    given.length <= 200 &&
    /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/.test(given)
  )
    return given
  throw new RangeError(
    `${option} must be of a-z 0-9 with single . or _ or - within, and slashes between, such as 'edge-7/queue', got ${JSON.stringify(given)}`,
  )
}
