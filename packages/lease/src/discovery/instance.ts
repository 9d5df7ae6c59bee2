import type { Entry } from '@holdfast/coordination'
import { leaseError } from '../errors.ts'
import { decodeRecord, idOfKey } from '../registration/record.ts'

/** One registered instance of a service, as the view shows it. Frozen. */
export interface Instance<Metadata> {
  readonly service: string
  readonly id: string
  readonly incarnation: number
  readonly metadata: Metadata
  /** It is about to withdraw: give it no new work. */
  readonly draining: boolean
  /** It may be gone: the store cannot be reached, or too many vanished at once. It is shown until a read proves it. */
  readonly suspect: boolean
  /** Revision at which it appeared; another one is another life of it. */
  readonly createRevision: number
  readonly modRevision: number
}

/** Turns what another process wrote into metadata; throws for what it cannot take. zod's `schema.parse` is one. */
export type DecodeMetadata<Metadata> = (metadata: unknown) => Metadata

/** Throws `REGISTRATION_DAMAGED`, with the decoder's own error as its cause. */
export function decodeInstance<Metadata>(
  service: string,
  entry: Entry,
  decode: DecodeMetadata<Metadata>,
): Instance<Metadata> {
  const { key, createRevision, modRevision } = entry
  const id = idOfKey(service, key)
  if (id === undefined) throw damaged(key, 'is no key of a registration')
  const { incarnation, draining, metadata } = decodeRecord(key, entry.value)
  const decoded = tryDecode(key, metadata, decode)
  return Object.freeze({
    ...{ service, id, incarnation, metadata: decoded, draining, suspect: false },
    ...{ createRevision, modRevision },
  })
}

function tryDecode<Metadata>(key: string, metadata: unknown, decode: DecodeMetadata<Metadata>): Metadata {
  try {
    return decode(metadata)
  } catch (error) {
    throw damaged(key, 'has metadata that was refused', error)
  }
}

function damaged(key: string, what: string, cause?: unknown): Error {
  return leaseError('REGISTRATION_DAMAGED', `${key} ${what}: it is left out`, { fields: { key }, cause })
}
