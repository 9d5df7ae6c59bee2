import { startHealth, startSystemdNotify } from '@holdfast/health'
import { expect, test } from 'vitest'
import { canReceiveNotifications, openNotifySocket } from '../support/notify-socket.ts'

test.skipIf(!canReceiveNotifications())(
  'a real datagram socket receives READY, WATCHDOG and STOPPING from systemd-notify',
  async () => {
    await using socket = await openNotifySocket()
    await using health = startHealth({ drainDelayMs: 0 })
    const environment = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '60000000' }
    await using notify = startSystemdNotify({ health, environment })
    notify.on('failed', (error) => {
      throw error
    })
    await socket.until('READY=1')
    await health.drain()
    await notify.close()
    const heard = await socket.until('STOPPING=1')
    for (const line of ['WATCHDOG=1', 'STATUS=ready', `MAINPID=${process.pid}`]) expect(heard).toContain(line)
    expect(heard.indexOf('READY=1')).toBeLessThan(heard.indexOf('STOPPING=1'))
  },
)
