import { readFileSync } from 'node:fs'
import { startHealth } from '@holdfast/health'
import { expect, test } from 'vitest'
import { type StandIn, startStandIn } from './stand-in.ts'
import { checksOf, readTable } from './table.ts'

test('the table of this example becomes checks', () => {
  const table = readTable(readFileSync(new URL('../services.yaml', import.meta.url), 'utf8'))
  expect(checksOf(table)).toMatchObject([
    { name: 'users', timeoutMs: 5_000, soft: false },
    { name: 'orders', timeoutMs: 1_000, soft: false },
    { name: 'mail', timeoutMs: 500, soft: true },
  ])
})

test.each([
  ['users: yes', /list named services/],
  ['services: [1]', /row 1 must hold/],
  ['services: [{ service: a, endpoint: b, expectedStatus: 200 }]', /row 1 lacks timeout/],
  ['services: [{ service: a, endpoint: b, expectedStatus: 200, timeout: soon }]', /row 1: timeout/],
  [
    'services: [{ service: a, endpoint: b, expectedStatus: 200, timeout: 5s, color: red }]',
    /row 1 has no column 'color'/,
  ],
])('%s is refused', (text, message) => {
  expect(() => readTable(text)).toThrow(message)
})

test('a service breaks and recovers, and ready follows; one that can be done without only warns', async () => {
  await using users = await startStandIn(0)
  await using mail = await startStandIn(0)
  await using health = startHealth({
    checks: checksOf(tableOf(users, mail), { intervalMs: 10, failAfter: 1 }),
  })
  const turned = (status: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (health.probe('ready').status === status && resolve())
      health.on('gateChanged', look)
      look()
    })
  await turned('pass')
  users.answers = 500
  await turned('fail')
  expect(health.probe('ready').why).toEqual([expect.stringContaining('answered 500, expected 200')])
  users.answers = 200
  await turned('pass')
  mail.answers = 'hang'
  await turned('warn')
  expect(health.probe('ready').ok).toBe(true)
})

function tableOf(users: StandIn, mail: StandIn): ReturnType<typeof readTable> {
  return readTable(`
    services:
      - { service: users, endpoint: 'http://127.0.0.1:${users.port}/health', expectedStatus: 200, timeout: 5s }
      - { service: mail, endpoint: 'http://127.0.0.1:${mail.port}/ping', expectedStatus: [200, 204], timeout: 100ms, soft: true }
  `)
}
