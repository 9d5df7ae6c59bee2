import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { httpCheck } from '@holdfast/health'
import { expect, test } from 'vitest'
import { createAuthority, describeOpenssl } from '../support/certificates.ts'

describeOpenssl('httpCheck over TLS', () => {
  test('trusts the authority it is given and no other, shows its certificate, and reads the body', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-health-tls-'))
    const authority = createAuthority(folder)
    const [server, client] = [authority.issue('server'), authority.issue('client')]
    const read = (file: string): Buffer => readFileSync(file)
    const options = { ca: read(authority.ca), cert: read(server.cert), key: read(server.key) }
    const service = createServer({ ...options, requestCert: true, rejectUnauthorized: true }, (_, response) =>
      response.end('up'),
    ).listen(0, '127.0.0.1')
    await once(service, 'listening')
    const url = `https://127.0.0.1:${(service.address() as AddressInfo).port}/health`
    const run = (tls: object): Promise<unknown> =>
      httpCheck({ name: 'secure', url, expectBody: 'up', tls }).run(new AbortController().signal)
    try {
      const ca = read(authority.ca)
      await run({ ca, cert: read(client.cert), key: read(client.key) })
      await expect(run({ ca })).rejects.toThrow()
      await expect(run({ cert: read(client.cert), key: read(client.key) })).rejects.toMatchObject({
        code: expect.stringMatching(/CERT|SIGNATURE/),
      })
      const other = createAuthority(folder, 'other')
      await expect(run({ ca: read(other.ca) })).rejects.toMatchObject({
        code: expect.stringMatching(/CERT|SIGNATURE/),
      })
    } finally {
      service.close()
      service.closeAllConnections()
      rmSync(folder, { recursive: true })
    }
  })
})
