import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'

export interface Service {
  /** Rejects or is false where it does not work. */
  healthy(): Promise<boolean>
  /** Asked by users only while traffic is open, by other services always. */
  answer(method: string, path: string, body: string): Promise<unknown>
  close?(): Promise<void>
}

/** Its arguments: the key, the folder, and the addresses of what it needs. */
export const [key = '', folder = '', ...needs] = process.argv.slice(2)

/** Serves until SIGTERM: `/health`, `POST /traffic`, and for everything else the service's answer. */
export async function serve(service: Service): Promise<void> {
  let open = false
  const server = createServer(async (request, response) => {
    const { method = 'GET', url = '/' } = request
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    try {
      if (url === '/health') return reply((await service.healthy()) ? 200 : 503, {})
      if (url === '/traffic') open ||= method === 'POST'
      if (url === '/traffic') return reply(200, { open })
      if (!open && request.headers['x-service'] === undefined) return reply(503, { error: 'no traffic yet' })
      reply(200, await service.answer(method, url, await textOf(request)))
    } catch (error) {
      reply(503, { error: String(error) })
    }
  }).listen(0, '127.0.0.1')
  process.once('SIGTERM', async () => {
    server.close()
    await service.close?.()
    process.exit(0)
  })
  await once(server, 'listening')
  const name = basename(process.argv[1] ?? '', '.js')
  const file = join(folder, `${name}.${key}.address`)
  await writeFile(`${file}.new`, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await rename(`${file}.new`, file)
}

/** Asks another service. */
export async function ask(url: string): Promise<unknown> {
  const response = await fetch(url, { headers: { 'x-service': key } })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return response.json()
}

async function textOf(request: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}
