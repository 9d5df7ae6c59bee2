import type { Answer } from '../ship/verdict.ts'
import type { UploadBody, UploadCheckpoint } from './types.ts'

/** What an answer of a server that speaks tus 1.0 means. Pure. https://tus.io/protocols/resumable-upload */
export type UploadStep =
  | { readonly kind: 'offset'; readonly offset: number }
  /** There is no upload of ours at this place, or none any more. */
  | { readonly kind: 'gone' }
  /** The server, or a proxy before it, takes no request of this length. */
  | { readonly kind: 'too-large' }
  | { readonly kind: 'refused' }
  /** Ask for the offset again, later: ours was not the server's, it did not say, or it failed. */
  | { readonly kind: 'again' }

/**
 * Reads the answer to HEAD. An upload of another length is another's: a server
 * that counts from one again after a restart gives out our place a second time.
 */
export function readHead(answer: Answer, size: number): UploadStep {
  // 403 too: the protocol lets a server say that of an upload it does not have.
  if ([403, 404, 410].includes(answer.status)) return { kind: 'gone' }
  const step = readOffset(answer)
  const length = integerHeader(answer, 'upload-length')
  return step.kind === 'offset' && length !== undefined && length !== size ? { kind: 'gone' } : step
}

/** Reads the answer to PATCH. */
export function readPatch(answer: Answer): UploadStep {
  return answer.status === 413 ? { kind: 'too-large' } : readOffset(answer)
}

function readOffset(answer: Answer): UploadStep {
  const offset = integerHeader(answer, 'upload-offset')
  const isSuccess = answer.status >= 200 && answer.status < 300
  if (isSuccess && offset !== undefined) return { kind: 'offset', offset }
  return { kind: isRefusal(answer.status) ? 'refused' : 'again' }
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

/** What is not for good: who we are, where the upload is (404, 410, 409), and who else holds it just now (423). */
const notForGood = new Set([401, 403, 404, 407, 408, 409, 410, 421, 423, 425, 429])

function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && !notForGood.has(status)
}

function integerHeader(answer: Answer, name: string): number | undefined {
  const value = answer.headers[name]
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : undefined
}
