// A collector as a process: node agent-collector.js FILE. Tells its URL, and writes the id and the value
// of each message to FILE before it accepts them.
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

const [file = ''] = process.argv.slice(2)
process.stdin.once('end', () => process.exit(1)).resume() // the test has died
process.stdin.unref()

const server = createServer(async (request, response) => {
  const body = await text(request).catch(() => undefined)
  if (body === undefined) return // the agent died in the middle
  const messages = body
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; value: string })
  appendFileSync(file, messages.map(({ id, value }) => `${id} ${value}\n`).join(''))
  response.writeHead(204).end()
})
server.listen(0, '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
)
