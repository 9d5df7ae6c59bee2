import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { createFakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readCredentials } from './credentials.ts'
import { reloadCredentials } from './reload.ts'

let folder: string
let caFile: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-reload-'))
  caFile = join(folder, 'ca.crt')
  await writeFile(caFile, rootCertificates[0]!)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('only changed contents are applied, and what failed is tried again', async () => {
  const clock = createFakeClock()
  const stop = new AbortController()
  const tls = { caFile, reloadMs: 100 }
  const log: string[] = []
  let refuse = true
  const looked = reloadCredentials({
    tls,
    first: await readCredentials(tls),
    clock,
    signal: stop.signal,
    async apply({ pem }) {
      if (refuse) throw new Error('refused')
      log.push(`applied ${pem!.rootCertificate.equals(Buffer.from(rootCertificates[1]!))}`)
    },
    onFailed: (error) => log.push(String(error).split(':').slice(0, 2).join(':')),
  })
  /** One look, and the real reading of files that follows it. */
  const look = async (): Promise<void> => {
    await clock.advance(100)
    while (clock.sleepers === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await look()
  expect(log).toEqual([])
  await writeFile(caFile, rootCertificates[1]!)
  await look()
  refuse = false
  await look()
  await look()
  expect(log).toEqual(['Error: refused', 'applied true'])
  await rm(caFile)
  await look()
  expect(log.at(-1)).toBe('Error: ENOENT')
  stop.abort()
  await looked
  expect(clock.sleepers).toBe(0)
})

test('without files the machine’s authorities are used', async () => {
  expect((await readCredentials({ reloadMs: 100 })).pem).toBe(undefined)
})
