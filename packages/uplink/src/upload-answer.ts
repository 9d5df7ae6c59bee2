import type { UploadBody, UploadCheckpoint } from './upload-types.ts'
import type { Answer } from './verdict.ts'

/** What an answer of a server that speaks tus 1.0 means. Pure. https://tus.io/protocols/resumable-upload */
export type UploadStep =
  | { readonly kind: 'offset'; readonly offset: number }
  /** The server does not know the upload any more. */
  | { readonly kind: 'gone' }
  /** Ask for the offset again: ours was not the server's, or it did not say. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'again' }

/** Reads the answer to HEAD or PATCH. */
export function readOffset(answer: Answer): UploadStep {
  const { status } = answer
  if (status >= 200 && status < 300) {
    const offset = integerHeader(answer, 'upload-offset')
    return offset === undefined ? { kind: 'ask' } : { kind: 'offset', offset }
  }
  if (status === 404 || status === 410) return { kind: 'gone' }
  if (status === 409) return { kind: 'ask' }
  return { kind: isRefusal(status) ? 'refused' : 'again' }
}

/** Reads the answer to the creating POST: the upload's own URL, if it is of the same origin. */
export function readLocation(answer: Answer, url: URL): URL | 'refused' | 'again' | 'bad' {
  if (answer.status < 200 || answer.status > 299) return isRefusal(answer.status) ? 'refused' : 'again'
  const location = answer.headers['location']
  if (typeof location !== 'string' || !URL.canParse(location, url.href)) return 'bad'
  const own = new URL(location, url)
  return own.origin === url.origin ? own : 'bad'
}

/** The checkpoint, if it is one, of this very content and of this server. */
export function fittingCheckpoint(found: unknown, body: UploadBody, url: URL): UploadCheckpoint | undefined {
  const { location, size, version } = (found ?? {}) as Partial<UploadCheckpoint>
  if (typeof location !== 'string' || size !== body.size || version !== body.version) return undefined
  if (!URL.canParse(location) || new URL(location).origin !== url.origin) return undefined
  return { location, size, version }
}

/** Upload-Metadata: keys, each with its value in base64. */
export function encodeMetadata(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',')
}

/** 423: another request holds the upload. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 403, 404, 408, 423, 425, 429].includes(status)
}

function integerHeader(answer: Answer, name: string): number | undefined {
  const value = answer.headers[name]
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : undefined
}
