import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** Loopback ports that are free now; another process may still take one before it is bound. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** Resolves when a server that was just started answers there with 2xx; rejects after 20 s. */
export async function untilAnswered(url: string): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false, // Nobody listens there yet.
    )
    if (ok) return
    await pause(50)
  }
  throw new Error(`nobody answers at ${url}`)
}
