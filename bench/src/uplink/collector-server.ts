import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

// Reads whatever it is sent and keeps nothing: lines by POST, one upload by tus, or a body by PUT. Tells its port.
let offset = 0
const server = createServer(async (request, response) => {
  const bytes = await lengthOf(request)
  if (request.method === 'PATCH') {
    offset = Number(request.headers['upload-offset']) + bytes
    response.writeHead(204, { 'upload-offset': String(offset) }).end()
  } else if (request.headers['upload-length'] !== undefined) {
    response.writeHead(201, { location: '/files/1' }).end()
  } else response.writeHead(204).end()
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))

async function lengthOf(request: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const part of request) bytes += (part as Buffer).length
  return bytes
}
