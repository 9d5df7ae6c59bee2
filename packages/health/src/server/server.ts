import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Clock,
  checkInteger,
  checkMethods,
  checkString,
  createEvents,
  type On,
  type Running,
  systemClock,
} from '@holdfast/core'
import { healthError } from '../errors.ts'
import type { Health } from '../health.ts'
import { oneLine } from '../safe-text.ts'
import { type Answer, makeAnswer, plainText } from './answer.ts'
import { createLiveFeed } from './live.ts'
import { gatherSamples } from './metrics.ts'
import { answer, type Readable } from './routes.ts'
import { createSources, type StatsSources } from './sources.ts'

export interface HealthServerOptions {
  readonly health: Readable & Pick<Health, 'on'>
  /** 0 takes any free port; see `HealthServer.port`. */
  readonly port: number
  /** Where to listen. A kubelet needs `0.0.0.0` or `::`; what is answered holds no secret. @default '127.0.0.1' */
  readonly host?: string
  /** Figures to begin with; `addStats` brings more. @default none */
  readonly stats?: StatsSources
  /** What the page calls this process. Shown to anyone who asks: no secrets. @default 'Health' */
  readonly title?: string
  /** @default systemClock */
  readonly clock?: Clock
}

export type HealthServerEvents = {
  /** This source of figures threw; whoever asked was answered without it. */
  scrapeFailed(source: string, error: unknown): void
}

export interface HealthServer extends Running {
  readonly on: On<HealthServerEvents>
  readonly host: string
  readonly port: number
  /** `http://host:port`, without a slash at the end. */
  readonly url: string
  /**
   * Shows figures in `/metrics` and on the page, by the name of where they come from:
   * `{ queue: () => queue.stats() }`. The returned function removes them; idempotent. So the
   * server can be the first to run, and the queue comes later.
   *
   * Throws a TypeError for a name that is taken; then nothing was added.
   */
  addStats(sources: StatsSources): () => void
}

/**
 * Serves a health over HTTP, all from memory: `/livez`, `/readyz`, `/startupz`
 * (200 or 503), `/healthz` (health+json) and `/metrics` (Prometheus text);
 * `?verbose` tells of every check. `/` is a page for a person's browser: the
 * gates, every check and every figure, kept up to date by `/events`.
 *
 * Resolves once it listens. Rejects with `HEALTH_PORT_IN_USE` or
 * `HEALTH_LISTEN_FAILED`. Answers until `close()`, whether the health is
 * draining or closed, so close it last. Closing cuts open connections.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { health, clock = systemClock } = options
  checkMethods('health', health, ['probe', 'isOpen', 'reports', 'on'])
  const events = createEvents<HealthServerEvents>()
  const sources = createSources((source, error) => events.emit('scrapeFailed', source, error))
  sources.add(options.stats ?? {})
  const title = oneLine(checkString('title', options.title ?? 'Health'))
  const feed = createLiveFeed({ health, clock, title, figures: sources.read })
  const server = createServer(respond)
  const { address, port, family } = await listen(server, {
    port: checkInteger('port', options.port, { min: 0, max: 65_535 }),
    host: checkString('host', options.host ?? '127.0.0.1'),
  })
  let closed: Promise<void> | undefined
  return {
    on: events.on,
    host: address,
    port,
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    addStats: sources.add,
    close,
    [Symbol.asyncDispose]: close,
  }

  function respond({ method, url = '/' }: IncomingMessage, response: ServerResponse): void {
    if (method !== 'GET' && method !== 'HEAD') send(response, notAllowed)
    else if (url !== '/events' || method === 'HEAD') send(response, answer(url, health, samples) ?? notFound)
    else if (!feed.open(response)) send(response, tooMany)
  }

  function samples(): ReturnType<typeof gatherSamples> {
    return gatherSamples(health, sources.read())
  }

  function close(): Promise<void> {
    closed ??= end()
    return closed
  }

  async function end(): Promise<void> {
    const ended = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await feed.close()
    await ended
  }
}

const notFound = makeAnswer(404, plainText, 'not found\n')
const tooMany = makeAnswer(503, plainText, 'too many are reading already\n')
const notAllowed = makeAnswer(405, plainText, 'GET or HEAD only\n', 'allow', 'GET, HEAD')

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers as string[])
  response.end(body)
}

async function listen(server: Server, at: { host: string; port: number }): Promise<AddressInfo> {
  server.listen(at)
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    throw listenError(at, cause)
  })
  return server.address() as AddressInfo
}

function listenError({ host, port }: { host: string; port: number }, cause: NodeJS.ErrnoException): Error {
  const fields = { host, port }
  if (cause.code === 'EADDRINUSE')
    return healthError(
      'HEALTH_PORT_IN_USE',
      `Another program listens on ${host}:${port}; end it, or choose another port`,
      { cause, fields },
    )
  return healthError(
    'HEALTH_LISTEN_FAILED',
    `Can't listen on ${host}:${port} (${cause.code}); is it an address of this host, and is the port allowed?`,
    { cause, fields },
  )
}
