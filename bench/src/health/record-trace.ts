// node bench/dist/health/record-trace.js FILE [SECONDS]
//
// Records what a detector is fed in earnest: when the beats of real processes arrive at
// another over HTTP. Now and then a sender is stopped for up to half a second, as a busy
// or suspended machine does it; half of them are killed in the last third.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Beat } from '@holdfast/health'

const [file = 'heartbeats.jsonl', seconds = '60'] = process.argv.slice(2)
const senders = 12
const intervalMs = 100
const program = fileURLToPath(new URL('./heart.js', import.meta.url))
const peers = Array.from({ length: senders }, () => ({
  beats: [] as [sequence: number, atMs: number][],
  killedAtMs: undefined as number | undefined,
}))
const began = performance.now()
const elapsed = (): number => Math.round(10 * (performance.now() - began)) / 10

const server = createServer(async (request, response) => {
  const atMs = elapsed()
  const { sequence } = (await json(request)) as Beat
  peers[Number(request.url?.slice(1))]?.beats.push([sequence, atMs])
  response.writeHead(204).end()
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const children = peers.map((_, at) => spawn(process.execPath, [program, `${url}/${at}`, String(intervalMs)]))

const totalMs = Number(seconds) * 1_000
const halts = setInterval(() => void halt(children[Math.floor(senders * Math.random())]!), 1_500)
for (let at = 0; at < senders; at += 2) void kill(at, totalMs * (0.67 + 0.28 * Math.random()))
await pause(totalMs)
clearInterval(halts)
const endedAtMs = elapsed()
for (const child of children) child.kill('SIGKILL')
server.close()
server.closeAllConnections()
const lines = [
  { intervalMs, endedAtMs },
  ...peers.map(({ beats, killedAtMs = null }) => ({ killedAtMs, beats })),
]
writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))

async function halt(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP')
  await pause(500 * Math.random())
  child.kill('SIGCONT')
}

async function kill(at: number, afterMs: number): Promise<void> {
  await pause(afterMs)
  children[at]?.kill('SIGKILL')
  peers[at]!.killedAtMs = elapsed()
}
