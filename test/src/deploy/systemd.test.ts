import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { watchPod } from '../health/kubelet.ts'
import { canReceiveNotifications, openNotifySocket } from '../support/notify-socket.ts'
import { createSite, example, type Site } from './site.ts'
import { findVerify } from './systemd-analyze.ts'
import { environmentOf, only, parseUnit } from './unit-file.ts'

const text = readFileSync(join(example, 'systemd/edge-agent.service'), 'utf8')
const unit = parseUnit(text)
const environment = {
  ...environmentOf(unit.get('Service.Environment') ?? []),
  ...environmentOf(readFileSync(join(example, 'systemd/environment'), 'utf8').split('\n')),
}
const verify = findVerify()

describe.skipIf(!verify)('systemd-analyze verify', () => {
  test('has nothing to say about the unit', () => {
    expect(verify!(text)).toEqual({ status: 0, said: '' })
  })

  test.each([
    ['WatchdogSec=', 'WatchdogSeconds=', /Unknown key/],
    ['Type=notify', 'Type=notified', /Failed to parse service type/],
    ['TimeoutStopSec=30', 'TimeoutStopSec=soon', /Failed to parse time value/],
  ])('would have found fault with %s written %s', (right, wrong, said) => {
    expect(verify!(text.replace(right, wrong)).said).toMatch(said)
  })
})

test('its times fit the agent: systemd waits longer than the agent takes to stop', async () => {
  const { stopBudgetMs } = await import(pathToFileURL(join(example, 'dist/limits.js')).href)
  expect(Number(only(unit, 'Service.TimeoutStopSec')) * 1_000).toBeGreaterThan(stopBudgetMs)
  expect(Number(environment['DRAIN_DELAY_MS'])).toBeLessThan(stopBudgetMs)
})

test('its paths fit one another: state and backups lie in folders that systemd makes', () => {
  const made = only(unit, 'Service.StateDirectory')
    .split(' ')
    .map((name) => `/var/lib/${name}`)
  expect([environment['STATE_DIR'], environment['BACKUP_DIR']]).toEqual(made)
  expect(dirname(environment['SETTINGS_FILE'] ?? '')).toBe(dirname(only(unit, 'Service.EnvironmentFile')))
})

test.each(['ExecStartPre', 'ExecStart'] as const)(
  'in an incomplete environment %s ends with the code after which the unit does not start it again',
  async (key) => {
    await using site = await install()
    const { COLLECTOR_URL: _, ...rest } = environment
    const { code, log } = await site.ended(site.start(commandOf(key), rest))
    expect([String(code), log]).toEqual([
      only(unit, 'Service.RestartPreventExitStatus'),
      expect.stringContaining('COLLECTOR_URL'),
    ])
  },
)

test.skipIf(!canReceiveNotifications())(
  'its commands start an agent that notifies, is alive for the watchdog, and stops on SIGTERM',
  async () => {
    await using site = await install()
    await using socket = await openNotifySocket()
    const restored = await site.ended(site.start(commandOf('ExecStartPre'), environment))
    expect([restored.code, restored.log]).toEqual([0, expect.stringContaining('no backup')])
    const pod = watchPod(site.port)
    const agent = site.start(commandOf('ExecStart'), {
      ...environment,
      NOTIFY_SOCKET: socket.path,
      WATCHDOG_USEC: String(Number(only(unit, 'Service.WatchdogSec')) * 1e6),
    })
    await socket.until('READY=1')
    await pod.until('200 200 200')
    await site.untilReceived('reef-1')
    agent.kill('SIGTERM')
    const heard = await socket.until('STOPPING=1')
    expect(heard).toMatch(/WATCHDOG=1/)
    expect(heard).toContain(`MAINPID=${agent.pid}`)
    expect(heard.indexOf('STATUS=not ready')).toBeLessThan(heard.indexOf('READY=1'))
    expect(await site.ended(agent)).toMatchObject({ code: 0 })
    await pod.gone
    expect(pod.turns['/livez']).toEqual([200])
  },
  60_000,
)

function commandOf(key: 'ExecStart' | 'ExecStartPre'): string[] {
  return only(unit, `Service.${key}`).split(' ')
}

/** Puts in place what the README says to, and what systemd does by itself. */
async function install(): Promise<Site> {
  const site = await createSite()
  for (const path of [environment['STATE_DIR'], environment['BACKUP_DIR'], '/etc/edge-agent'])
    mkdirSync(site.place(path!), { recursive: true })
  writeFileSync(site.place(environment['SETTINGS_FILE']!), readFileSync(join(example, 'settings.yaml')))
  return site
}
