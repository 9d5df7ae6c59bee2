import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { createFakeClock } from '@holdfast/core/testing'
import { startUplink, type UplinkJob } from '@holdfast/uplink'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createAuthority, describeOpenssl } from '../support/certificates.ts'

/** Jobs that are there for the taking, one after another, as a test pushes them. */
function createFeed() {
  const jobs: UplinkJob[] = []
  let wake = (): void => {}
  return {
    push(id: string) {
      const settle = async () => true
      jobs.push({ id, value: id, attempt: 1, ack: settle, retry: settle, extend: settle, bury: settle })
      wake()
    },
    async take({ signal }: { signal?: AbortSignal | undefined }): Promise<UplinkJob[]> {
      while (jobs.length === 0) {
        signal?.throwIfAborted()
        await new Promise<void>((resolve) => {
          wake = resolve
          signal?.addEventListener('abort', () => resolve(), { once: true })
        })
      }
      return jobs.splice(0, 1)
    },
  }
}

describeOpenssl('client certificates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'))
  const files = {
    caFile: join(folder, 'trusted.crt'),
    certFile: join(folder, 'client.crt'),
    keyFile: join(folder, 'client.key'),
  }
  const seen: string[] = []
  const connections = new Set<unknown>()
  let server: Server
  let authority: ReturnType<typeof createAuthority>

  beforeAll(async () => {
    authority = createAuthority(folder)
    const own = authority.issue('collector')
    const tls = { ca: readFileSync(authority.ca), cert: readFileSync(own.cert), key: readFileSync(own.key) }
    server = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
      seen.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN))
      request.resume().on('end', () => response.writeHead(204).end())
    })
    server.on('secureConnection', (socket) => {
      connections.add(socket)
      socket.on('close', () => connections.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cpSync(authority.ca, files.caFile)
  })

  afterAll(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function use(name: string): void {
    const { cert, key } = authority.issue(name)
    cpSync(cert, files.certFile)
    cpSync(key, files.keyFile)
  }

  test('are read again when their files change, and kept when the new ones do not work', async () => {
    use('first')
    const feed = createFeed()
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const backoff = { minMs: 1, maxMs: 5 }
    const uplink = await startUplink({
      ...{ queue: feed, url, backoff },
      tls: { ...files, checkMs: 0 },
      batch: { maxAgeMs: 0 },
    })
    const told: string[] = []
    uplink.on('tlsReloaded', () => told.push('reloaded'))
    uplink.on('tlsRejected', () => told.push('rejected'))
    const ship = async (id: string): Promise<void> => {
      const shipped = new Promise<void>((resolve) => uplink.on('shipped', () => resolve()))
      feed.push(id)
      await shipped
    }
    await ship('a')
    await ship('b')
    expect(connections.size).toBe(1)
    use('second')
    await ship('c')
    await vi.waitFor(() => expect(connections.size).toBe(1)) // the one that began with the first is gone
    writeFileSync(files.keyFile, readFileSync(authority.issue('other').key))
    await ship('d')
    use('third')
    await ship('e')
    expect(seen).toEqual(['first', 'first', 'second', 'second', 'third'])
    expect(told.filter((what, at) => what !== told[at - 1])).toEqual(['reloaded', 'rejected', 'reloaded'])
    await uplink.close()
  })

  test('are looked at no more often than they are to be', async () => {
    use('first')
    seen.length = 0
    const clock = createFakeClock()
    const feed = createFeed()
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const tls = { ...files, checkMs: 10_000 }
    await using uplink = await startUplink({ queue: feed, url, tls, clock, batch: { maxAgeMs: 0 } })
    const ship = async (id: string): Promise<void> => {
      const shipped = new Promise<void>((resolve) => uplink.on('shipped', () => resolve()))
      feed.push(id)
      await shipped
    }
    await ship('a')
    use('second')
    await clock.advance(9_999)
    await ship('b')
    await clock.advance(1)
    await ship('c')
    expect(seen).toEqual(['first', 'first', 'second'])
  })

  test('that are missing, or do not fit their key, are refused at the start', async () => {
    use('first')
    const options = { queue: createFeed(), url: 'https://127.0.0.1:9/' }
    const missing = { ...files, certFile: join(folder, 'nowhere.crt') }
    await expect(startUplink({ ...options, tls: missing })).rejects.toMatchObject({ code: 'ENOENT' })
    const strange = { ...files, keyFile: authority.issue('other').key }
    await expect(startUplink({ ...options, tls: strange })).rejects.toThrow(/key values mismatch/)
  })
})
