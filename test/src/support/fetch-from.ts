import { once } from 'node:events'
import { request } from 'node:http'
import { Readable } from 'node:stream'

/** A `fetch` for plain HTTP that goes to this address whatever the host's name, as if a DNS said so. */
export function fetchFrom(address: string): typeof fetch {
  return async (input, init = {}) => {
    const url = new URL(String(input))
    const headers = { ...(init.headers as Record<string, string>), host: url.host }
    const path = url.pathname + url.search
    const sending = request({ host: address, port: url.port, path, method: init.method ?? 'GET', headers })
    if (init.body) Readable.fromWeb(init.body as never).pipe(sending)
    else sending.end()
    const [answer] = await once(sending, 'response')
    const body = init.method === 'HEAD' || answer.statusCode === 204 ? null : Readable.toWeb(answer)
    return new Response(body as never, { status: answer.statusCode, headers: answer.headers })
  }
}
