/** What is sent back, made before it is known to whom. */
export interface Answer {
  readonly status: number
  /** Names and values in turn, which Node writes fastest. */
  readonly headers: readonly string[]
  readonly body: string
}

export const plainText = 'text/plain; charset=utf-8'

/** Nothing that is answered may be kept by anybody: it is out of date the moment after. */
export function makeAnswer(status: number, type: string, body: string, ...more: string[]): Answer {
  const length = String(Buffer.byteLength(body))
  return {
    status,
    body,
    headers: ['content-type', type, 'content-length', length, 'cache-control', 'no-store', ...more],
  }
}
