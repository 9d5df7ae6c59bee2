import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { watchPod } from './kubelet.ts'

const program = fileURLToPath(new URL('../../dist/children/health-life.js', import.meta.url))

let service: Server
let healthy = true
let child: ChildProcess
let port: number

beforeEach(async () => {
  healthy = true
  service = createServer((_, response) => response.writeHead(healthy ? 200 : 500).end()).listen(
    0,
    '127.0.0.1',
  )
  await once(service, 'listening')
  child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout!, 'data')
  port = Number(line)
})

afterEach(() => {
  child.kill('SIGKILL')
  service.close()
})

test('a kubelet through the whole life of a process: start, ready, a service that breaks and heals, SIGTERM, gone', async () => {
  const exited = once(child, 'exit')
  const pod = watchPod(port)
  await pod.until('503 503 200')
  child.stdin!.write(`http://127.0.0.1:${(service.address() as AddressInfo).port}/health\n`)
  await pod.until('200 200 200')
  healthy = false
  await pod.until('200 503 200')
  healthy = true
  await pod.until('200 200 200')
  child.kill('SIGTERM')
  await pod.until('200 503 200')
  await pod.gone
  expect(await exited).toEqual([0, null])
  expect(pod.turns).toEqual({
    '/startupz': [503, 200],
    '/readyz': [503, 200, 503, 200, 503],
    '/livez': [200],
  })
})

test('SIGTERM while it is still starting: ready never came, live stays, and it ends', async () => {
  const exited = once(child, 'exit')
  const pod = watchPod(port)
  await pod.until('503 503 200')
  child.kill('SIGTERM')
  await pod.gone
  expect(await exited).toEqual([0, null])
  expect(pod.turns).toEqual({ '/startupz': [503], '/readyz': [503], '/livez': [200] })
})
