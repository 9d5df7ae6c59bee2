import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'

export type ServerKind = 'health' | 'bare'

const connections = 16
const inFlight = 4
const request = Buffer.from('GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')

/**
 * Requests that a server in a process of its own answers in a second of its processor's time.
 *
 * Not of the wall clock: the client shares the machine. The client counts bytes and
 * parses nothing. What comes before the server is warm is not counted.
 */
export async function requestsPerCpuSecond(kind: ServerKind, seconds: number): Promise<number> {
  const server = fork(fileURLToPath(new URL('./requests-server.js', import.meta.url)), [kind])
  try {
    const [port] = (await once(server, 'message')) as [number]
    await drive(port, seconds / 2)
    const before = await cpuSeconds(server)
    const answered = await drive(port, seconds)
    return answered / ((await cpuSeconds(server)) - before)
  } finally {
    server.kill('SIGKILL')
  }
}

async function cpuSeconds(server: ChildProcess): Promise<number> {
  server.send('cpu')
  const [seconds] = (await once(server, 'message')) as [number]
  return seconds
}

async function drive(port: number, seconds: number): Promise<number> {
  const until = process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9))
  const counts = await Promise.all(Array.from({ length: connections }, () => connectAndAsk(port, until)))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function connectAndAsk(port: number, until: bigint): Promise<number> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  await once(socket, 'connect')
  socket.write(request)
  const [first] = (await once(socket, 'data')) as [Buffer]
  if (!first.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(first.toString('latin1'))
  const answerBytes = first.length
  let bytes = 0
  const send = (count: number): void => {
    socket.write(count === 1 ? request : Buffer.concat(Array.from({ length: count }, () => request)))
  }
  socket.on('data', (chunk: Buffer) => {
    const before = Math.floor(bytes / answerBytes)
    bytes += chunk.length
    const answered = Math.floor(bytes / answerBytes) - before
    if (process.hrtime.bigint() > until) socket.destroy()
    else if (answered > 0) send(answered)
  })
  send(inFlight)
  await once(socket, 'close')
  return bytes / answerBytes
}
