import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A service for this example that can be broken and mended. */
export interface StandIn extends AsyncDisposable {
  readonly port: number
  /** What it answers from now on; `hang` answers nothing. */
  answers: number | 'hang'
}

export async function startStandIn(port: number): Promise<StandIn> {
  const server = createServer((_, response) => {
    if (standIn.answers !== 'hang') response.writeHead(standIn.answers).end()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const standIn: StandIn = {
    port: (server.address() as AddressInfo).port,
    answers: 200,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
  return standIn
}

export async function startStandIns(
  ports: readonly number[],
): Promise<AsyncDisposable & { services: StandIn[] }> {
  const services = await Promise.all(ports.map(startStandIn))
  const dispose = async (): Promise<void> => {
    for (const service of services) await service[Symbol.asyncDispose]()
  }
  return { services, [Symbol.asyncDispose]: dispose }
}
