import { mkdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { callersOf, type Load, perSecond } from './ours.ts'
import { withServer } from './server.ts'

const maxConnections = 128

/** With its log, synced before each answer. */
export function beanstalkdThrough(folder: string, work: Load): Promise<number> {
  const log = join(folder, 'beanstalkd')
  mkdirSync(log)
  return withServer(
    'beanstalkd',
    (port) => ['-l', '127.0.0.1', '-p', String(port), '-b', log, '-f', '0'],
    (port) => measure(port, work),
  )
}

async function measure(port: number, { callers, count, bytes }: Load): Promise<number> {
  const clients = Array.from({ length: Math.min(callers, maxConnections) }, () => createClient(port))
  const clientOf = (caller: number): Client => clients[caller % clients.length]!
  const put = Buffer.concat([Buffer.from(`put 0 0 600 ${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
  const speed = await perSecond(count, async () => {
    await callersOf(callers, count, (caller) => clientOf(caller)(put, 'INSERTED'))
    await callersOf(callers, count, async (caller) => {
      const reserved = await clientOf(caller)('reserve-with-timeout 1\r\n', 'RESERVED')
      await clientOf(caller)(`delete ${reserved.split(' ')[1]}\r\n`, 'DELETED')
    })
  })
  for (const client of clients) await client('quit\r\n', '')
  return speed
}

/** Sends a command, and resolves with the line that answers it. Commands may follow one another without waiting. */
type Client = (command: string | Buffer, expected: string) => Promise<string>

function createClient(port: number): Client {
  const socket: Socket = connect(port, '127.0.0.1').setNoDelay(true)
  const waiting: ((line: string) => void)[] = []
  let data: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    data = data.length === 0 ? chunk : Buffer.concat([data, chunk])
    for (let reply = nextReply(data); reply; reply = nextReply(data)) {
      data = data.subarray(reply.end)
      waiting.shift()?.(reply.line)
    }
  })
  socket.on('close', () => {
    for (const answer of waiting.splice(0)) answer('')
  })
  return (command, expected) =>
    new Promise((resolve, reject) => {
      waiting.push((line) => (line.startsWith(expected) ? resolve(line) : reject(new Error(line))))
      socket.write(command)
    })
}

/** `RESERVED id bytes` is followed by that many bytes. */
function nextReply(data: Buffer): { line: string; end: number } | undefined {
  const lineEnd = data.indexOf('\r\n')
  if (lineEnd < 0) return undefined
  const line = data.toString('latin1', 0, lineEnd)
  const size = line.startsWith('RESERVED') ? Number(line.split(' ')[2]) + 2 : 0
  const end = lineEnd + 2 + size
  return data.length < end ? undefined : { line, end }
}
