import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OciCredentials } from '../registry-client.ts'

/** Lets in who says who they are, as a registry and its token service do. */
export interface Gate {
  readonly credentials: OciCredentials
  /** Whether it has answered the request itself, with a challenge or a token. */
  answers(request: IncomingMessage, url: URL, response: ServerResponse): boolean
  expireTokens(): void
}

export function createGate(authentication: 'none' | 'basic' | 'bearer', host: string): Gate {
  const credentials = { username: 'robot', password: 'not a secret' }
  const basic = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
  /** Each token with what it is good for. */
  const tokens = new Map<string, string>()
  return { credentials, answers, expireTokens: () => tokens.clear() }

  function answers(request: IncomingMessage, url: URL, response: ServerResponse): boolean {
    if (authentication === 'none') return false
    if (url.pathname === '/token') return grant(request, url, response)
    const scope = scopeOf(request, url)
    const { authorization = '' } = request.headers
    if (authentication === 'basic' && authorization === basic) return false
    if (authentication === 'bearer' && allows(tokens.get(authorization.replace(/^Bearer /, '')), scope))
      return false
    const bearer = `Bearer realm="http://${host}/token",service="memory"${scope && `,scope="${scope}"`}`
    response.writeHead(401, {
      'www-authenticate': authentication === 'basic' ? 'Basic realm="memory"' : bearer,
    })
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}')
    return true
  }

  function grant(request: IncomingMessage, url: URL, response: ServerResponse): true {
    if (request.headers.authorization !== basic) {
      response.writeHead(401).end()
      return true
    }
    const token = randomUUID()
    tokens.set(token, url.searchParams.get('scope') ?? '')
    response.end(JSON.stringify({ token }))
    return true
  }
}

/** What a request needs: `repository:NAME:pull` or `…:pull,push`; nothing for `/v2/` itself. */
function scopeOf({ method = 'GET' }: IncomingMessage, url: URL): string {
  const name = /^\/v2\/(.+?)\/(?:blobs|manifests|tags)\//.exec(url.pathname)?.[1]
  if (name === undefined) return ''
  return `repository:${name}:${['GET', 'HEAD'].includes(method) ? 'pull' : 'pull,push'}`
}

function allows(granted: string | undefined, needed: string): boolean {
  return granted !== undefined && (needed === '' || `${granted},`.startsWith(`${needed},`))
}
