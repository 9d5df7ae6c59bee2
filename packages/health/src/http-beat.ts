import { checkOneOf, checkString } from '@holdfast/core'
import { healthError } from './errors.ts'
import type { HeartbeatOptions } from './heartbeat.ts'

export interface HttpBeatOptions {
  /** `http:` or `https:`; who receives it knows the sender by its path or by a header. Only its origin is ever shown. */
  readonly url: string | URL
  /** @default none */
  readonly headers?: Readonly<Record<string, string>>
}

/** Makes a `send` for `startHeartbeat` that posts each beat as JSON. Rejects with `BEAT_REFUSED` for any answer but 2xx. */
export function httpBeat({ url, headers = {} }: HttpBeatOptions): HeartbeatOptions['send'] {
  const text = checkString('url', String(url))
  if (!URL.canParse(text))
    throw new TypeError('url must be a URL such as https://observer.example/beats/host-7')
  const target = new URL(text)
  checkOneOf('url: protocol', target.protocol, ['http:', 'https:'])
  return async (beat, signal) => {
    const response = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(beat),
      redirect: 'error',
      signal,
    })
    await response.body?.cancel()
    const { status } = response
    if (!response.ok)
      throw healthError('BEAT_REFUSED', `${target.origin} answered beat ${beat.sequence} with ${status}`, {
        fields: { status },
      })
  }
}
