import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { server } from './packages.ts'

/** Runs a server on a free port of this machine, and ends it. */
export async function withServer<R>(
  name: 'redis-server' | 'beanstalkd',
  flagsFor: (port: number) => readonly string[],
  measure: (port: number) => Promise<R>,
): Promise<R> {
  const port = await freePort()
  const { path, env } = server(name)
  const child = spawn(path, flagsFor(port), { env, stdio: 'ignore' })
  const gone = once(child, 'exit')
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  try {
    await reachable(port)
    return await measure(port)
  } finally {
    kill()
    await gone
    process.off('exit', kill)
  }
}

async function reachable(port: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const socket = connect(port, '127.0.0.1')
    const isUp = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (isUp) return
    if (attempt > 200) throw new Error(`nothing listens on port ${port}`)
    await sleep(20)
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  return port
}
