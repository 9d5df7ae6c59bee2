import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What happens to bytes: passed; delayed by `ms`; held in one or both ways while the socket stays
 * open. Lifted, it passes them late and in order, as TCP does: a stream with a hole is no network's fault.
 */
export type Fault =
  | { kind: 'none' }
  | { kind: 'delay'; ms: number }
  | { kind: 'black-hole' }
  | { kind: 'drop-requests' }
  | { kind: 'drop-answers' }

export interface FaultProxy extends AsyncDisposable {
  /** `http://127.0.0.1:port`; the scheme is that of the target. */
  readonly endpoint: string
  /** Holds for connections there are and to come, from now on. */
  fault(fault: Fault): void
  /** Swallows, for good, whatever comes on the connections there are, both ways. New ones are served. */
  freeze(): void
  /** Resets (RST) every connection there is. New ones are accepted. */
  cut(): void
  /** Resets every connection, and new ones too, until `accept`. */
  refuse(): void
  accept(): void
  /** Cuts as soon as so many more bytes have been answered by the target. */
  cutAfter(answeredBytes: number): void
  /** Connections that are open now. */
  readonly connections: number
  close(): Promise<void>
}

/** A TCP proxy on loopback before one endpoint, which fails as it is told. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { protocol, hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let fault: Fault = { kind: 'none' }
  const frozen = new WeakSet<Socket>()
  const held = new Set<() => void>()
  let refusing = false
  let answerBudget = Number.POSITIVE_INFINITY
  const server = createServer((client) => {
    if (refusing) return void client.resetAndDestroy()
    const upstream = connect(Number(port), hostname)
    join(client, upstream, 'drop-requests')
    join(upstream, client, 'drop-answers')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: (next) => {
      fault = next
      for (const look of held) look()
      held.clear()
    },
    freeze: () => sockets.forEach((socket) => void frozen.add(socket)),
    cut,
    refuse: () => {
      refusing = true
      cut()
    },
    accept: () => {
      refusing = false
    },
    cutAfter: (bytes) => {
      answerBudget = bytes
    },
    get connections() {
      return sockets.size / 2
    },
    close,
    [Symbol.asyncDispose]: close,
  }

  function join(from: Socket, to: Socket, dropped: Fault['kind']): void {
    sockets.add(from)
    let passed: Promise<void> = Promise.resolve()
    from.on('data', (bytes) => {
      const due = Date.now() + (fault.kind === 'delay' ? fault.ms : 0)
      passed = passed
        .then(() => until(due))
        .then(whileHeld)
        .then(() => pass(bytes))
    })
    from.on('error', () => to.destroy()) // A reset on one side is one on the other.
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })

    async function whileHeld(): Promise<void> {
      while (fault.kind === 'black-hole' || fault.kind === dropped)
        await new Promise<void>((resolve) => held.add(resolve))
    }

    function pass(bytes: Buffer): void {
      if (frozen.has(from)) return
      if (dropped === 'drop-answers') answerBudget -= bytes.length
      if (!to.destroyed) to.write(bytes)
      if (answerBudget <= 0) cut()
    }
  }

  function cut(): void {
    answerBudget = Number.POSITIVE_INFINITY
    for (const socket of sockets) socket.resetAndDestroy()
  }

  async function close(): Promise<void> {
    cut()
    if (server.listening) await once(server.close(), 'close')
  }
}

async function until(dueMs: number): Promise<void> {
  const leftMs = dueMs - Date.now()
  if (leftMs > 0) await sleep(leftMs)
}
