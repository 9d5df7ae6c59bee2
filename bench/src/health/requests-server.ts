import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startHealth, startHealthServer } from '@holdfast/health'

// Serves what its argument names, and tells its processor time when asked.
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.((user + system) / 1e6)
})

if (process.argv[2] === 'health') {
  const checks = Array.from({ length: 5 }, (_, at) => ({ name: `service-${at}`, run: async () => undefined }))
  const health = startHealth({ checks })
  const { port } = await startHealthServer({ health, port: 0 })
  process.send?.(port)
} else {
  const server = createServer((_, response) => response.end('ok\n'))
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
}
