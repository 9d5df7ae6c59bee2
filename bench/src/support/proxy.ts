import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy on loopback before one endpoint, which fails as it is told. */
export interface FaultProxy extends AsyncDisposable {
  readonly endpoint: string
  /** From now on nothing passes, either way, and nothing breaks. */
  hold(): void
  /** Resets every connection. */
  cut(): void
  /** Resets every connection, once so many more bytes have been answered. */
  cutAfter(answeredBytes: number): void
  /** Resets every connection, and new ones too. */
  refuse(): void
  /** New connections are served again, and cut after so many answered bytes, if that is given. */
  accept(cutAfterBytes?: number): void
}

export async function startProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let isHeld = false
  let isRefusing = false
  let budget = Number.POSITIVE_INFINITY
  const server = createServer((client) => {
    if (isRefusing) return void client.resetAndDestroy()
    const upstream = connect(Number(port), hostname)
    join(client, upstream, () => {})
    join(upstream, client, (bytes) => {
      budget -= bytes
      if (budget <= 0) cut()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: () => {
      isHeld = true
    },
    cut,
    cutAfter: (bytes) => {
      budget = bytes
    },
    refuse: () => {
      isRefusing = true
      cut()
    },
    accept: (bytes = Number.POSITIVE_INFINITY) => {
      isRefusing = false
      budget = bytes
    },
    async [Symbol.asyncDispose]() {
      cut()
      await once(server.close(), 'close')
    },
  }

  function join(from: Socket, to: Socket, passed: (bytes: number) => void): void {
    sockets.add(from)
    from.on('data', (bytes) => {
      if (isHeld || to.destroyed) return
      to.write(bytes)
      passed(bytes.length)
    })
    from.on('error', () => to.destroy()) // A reset on one side is one on the other.
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }

  function cut(): void {
    budget = Number.POSITIVE_INFINITY
    for (const socket of sockets) socket.resetAndDestroy()
  }
}
