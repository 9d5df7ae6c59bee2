import { leaseError } from '../errors.ts'

/**
 * What a registration's key holds: JSON, in UTF-8, version 1.
 *
 * `v`, `owner` and `incarnation` keep their meaning in every later version, so that an old
 * process understands that a newer one has taken its place.
 */
export interface Record {
  /** Which session wrote it. */
  readonly owner: string
  readonly incarnation: number
  readonly draining: boolean
  /** Any JSON value. */
  readonly metadata: unknown
}

/** Who owns a key, as far as its value tells. */
export type Ownership = Pick<Record, 'owner' | 'incarnation'>

/** In bytes of JSON: a registration is read by everyone who looks for its service. */
export const maxMetadataBytes: number = 64 * 1_024

const version = 1
const prefix = 'services/'

/** Where the instances of a service stand. */
export function servicePrefix(service: string): string {
  return `${prefix}${encodeURIComponent(service)}/`
}

export function instanceKey(service: string, id: string): string {
  return servicePrefix(service) + encodeURIComponent(id)
}

/** The id in a key below `servicePrefix`; undefined where it is none of ours. */
export function idOfKey(service: string, key: string): string | undefined {
  try {
    const id = decodeURIComponent(key.slice(servicePrefix(service).length))
    return instanceKey(service, id) === key ? id : undefined
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

export function encodeRecord({ owner, incarnation, draining, metadata }: Record): Uint8Array {
  const mark = draining ? { draining } : {}
  return Buffer.from(JSON.stringify({ v: version, owner, incarnation, ...mark, metadata }))
}

/** `REGISTRATION_DAMAGED` for what is no record, or one of a later version. */
export function decodeRecord(key: string, value: Uint8Array): Record {
  const json = parse(value)
  const ownership = ownershipOf(json)
  if (!ownership || json?.['v'] !== version)
    throw leaseError('REGISTRATION_DAMAGED', `the value of ${key} is no registration of version ${version}`, {
      fields: { key },
    })
  return { ...ownership, draining: json['draining'] === true, metadata: json['metadata'] }
}

/** Reads any version; undefined where nobody owns it. */
export function decodeOwnership(value: Uint8Array): Ownership | undefined {
  return ownershipOf(parse(value))
}

function ownershipOf(json: JsonObject | undefined): Ownership | undefined {
  const { owner, incarnation } = json ?? {}
  return typeof owner === 'string' && typeof incarnation === 'number' ? { owner, incarnation } : undefined
}

type JsonObject = { readonly [field: string]: unknown }

function parse(value: Uint8Array): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(value).toString())
    return typeof json === 'object' && json !== null ? (json as JsonObject) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Returns a copy that shares nothing with the caller's, as a reader will see it; else throws a TypeError or RangeError. */
export function checkMetadata<Metadata>(metadata: Metadata): Metadata {
  const json = JSON.stringify(metadata) as string | undefined
  if (json === undefined) throw new TypeError(`metadata must be a JSON value, got ${typeof metadata}`)
  const bytes = Buffer.byteLength(json)
  if (bytes > maxMetadataBytes)
    throw new RangeError(`metadata must have ≤ ${maxMetadataBytes} bytes as JSON, got ${bytes}`)
  return JSON.parse(json) as Metadata
}
