import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Runs the work against a collector in a process of its own, so that this one's processor time is the sender's. */
export async function withCollector<T>(work: (url: string) => Promise<T>): Promise<T> {
  const server = fork(fileURLToPath(new URL('./collector-server.js', import.meta.url)))
  try {
    const [port] = (await once(server, 'message')) as [number]
    return await work(`http://127.0.0.1:${port}`)
  } finally {
    server.kill('SIGKILL')
  }
}

/** Microseconds of this process's processor time, user and system. */
export async function cpuMicros(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

export async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1_000
}
