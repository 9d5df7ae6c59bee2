import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeEtcd, type Etcd, startEtcd } from '../support/etcd.ts'

const program = fileURLToPath(new URL('../../dist/children/etcd-exit.js', import.meta.url))

describeEtcd('a process that closed its etcd store ends by itself', () => {
  let etcd: Etcd
  let child: ChildProcess
  let output = ''
  beforeAll(async () => {
    etcd = await startEtcd()
  })
  afterEach(() => void child.kill('SIGKILL'))
  afterAll(() => etcd.close())

  function start(how: string): Promise<unknown[]> {
    output = ''
    child = spawn(process.execPath, [program, etcd.endpoint, how], { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdout!.on('data', (chunk) => {
      output += chunk
    })
    return once(child, 'exit')
  }

  test('when all is quiet', async () => {
    expect(await start('quiet')).toEqual([0, null])
    expect(output).toBe('STORE_CLOSED\n')
  })

  test('with calls in flight', async () => {
    expect(await start('in-flight')).toEqual([0, null])
    expect(output).toBe('["STORE_CLOSED","STORE_CLOSED","STORE_CLOSED"]\nSTORE_CLOSED\n')
  })

  test('with an etcd that stands still', async () => {
    const exit = start('frozen')
    await once(child.stdout!, 'data')
    etcd.pause()
    try {
      child.stdin!.end('go')
      expect(await exit).toEqual([0, null])
      expect(output).toBe('ready\nSTORE_CLOSED\nSTORE_CLOSED\n')
    } finally {
      etcd.resume()
    }
  })
})
