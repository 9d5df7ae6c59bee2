import type { BigIntStats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Clock } from '@holdfast/core'
import type { TlsFiles } from '../types.ts'

/**
 * Kept-alive connections to one origin, whose client certificate follows its files.
 *
 * Node's own client rather than `fetch`, whose TLS cannot be given certificates
 * without undici as a dependency. Nothing watches: the files are looked at when
 * a request needs a connection, so there is nothing to leak, and a ConfigMap's
 * swapped symlinks count as a change. Requests under way end on the connections
 * that they began with.
 */
export interface Connections {
  use<T>(work: (agent: HttpAgent) => Promise<T>): Promise<T>
  close(): void
}

interface Pool {
  readonly agent: HttpAgent
  users: number
  retired: boolean
}

export interface TlsListener {
  reloaded(): void
  rejected(error: unknown): void
}

/** Rejects when the files cannot be read, or do not fit one another. */
export async function openConnections(
  url: URL,
  tls: TlsFiles,
  clock: Clock,
  listener: TlsListener,
): Promise<Connections> {
  const files = [tls.caFile, tls.certFile, tls.keyFile].filter((file) => file !== undefined)
  const secure = url.protocol === 'https:'
  let seen = await signatureOf(files)
  let pool = await openPool()
  let checkedAt = clock.now()
  let checking: Promise<void> | undefined

  return {
    async use(work) {
      if (secure && files.length > 0) await checkOnce()
      const own = pool
      own.users += 1
      try {
        return await work(own.agent)
      } finally {
        own.users -= 1
        endIfUnused(own)
      }
    },
    close: () => pool.agent.destroy(),
  }

  function checkOnce(): Promise<void> {
    checking ??= check().finally(() => {
      checking = undefined
    })
    return checking
  }

  async function check(): Promise<void> {
    if (clock.now() - checkedAt < (tls.checkMs ?? 10_000)) return
    checkedAt = clock.now()
    try {
      const found = await signatureOf(files)
      if (found === seen) return
      const fresh = await openPool()
      seen = found
      retire(pool)
      pool = fresh
      listener.reloaded()
    } catch (error) {
      listener.rejected(error)
    }
  }

  async function openPool(): Promise<Pool> {
    if (!secure) return { agent: new HttpAgent({ keepAlive: true }), users: 0, retired: false }
    const context = await readContext(tls)
    createSecureContext(context) // throws where certificate and key do not fit
    const name = tls.servername === undefined ? {} : { servername: tls.servername }
    return { agent: new HttpsAgent({ keepAlive: true, ...context, ...name }), users: 0, retired: false }
  }
}

function retire(pool: Pool): void {
  pool.retired = true
  endIfUnused(pool)
}

function endIfUnused({ agent, users, retired }: Pool): void {
  if (retired && users === 0) agent.destroy()
}

async function readContext({ caFile, certFile, keyFile }: TlsFiles) {
  const [ca, cert, key] = await Promise.all(
    [caFile, certFile, keyFile].map((file) => (file === undefined ? undefined : readFile(file))),
  )
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) }
}

async function signatureOf(files: readonly string[]): Promise<string> {
  const stats = await Promise.all(files.map((file) => stat(file, { bigint: true })))
  return stats.map(({ ino, size, mtimeNs }: BigIntStats) => `${ino}:${size}:${mtimeNs}`).join(' ')
}
