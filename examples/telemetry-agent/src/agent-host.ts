import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { TelemetryAgentOptions } from './agent.ts'

/** How a process ended. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

/** What a supervisor such as systemd does for an agent: start it, watch it, end it. */
export interface AgentHost {
  /** Starts the process and waits until `/readyz` says yes. */
  start(): Promise<{ pid: number }>
  /** One figure of `/metrics`; undefined while nobody answers. */
  figure(name: string): Promise<number | undefined>
  kill(): Promise<Ended>
  /** Asks it to end as an orchestrator would, and waits. */
  stop(): Promise<Ended>
  readonly probes: string
}

export interface AgentHostOptions extends Omit<TelemetryAgentOptions, 'healthPort' | 'adapters'> {
  etcd?: readonly string[]
  /** What the process says goes here. */
  output: string
}

const program = fileURLToPath(new URL('./agent-process.js', import.meta.url))

export async function createAgentHost({ output, ...options }: AgentHostOptions): Promise<AgentHost> {
  const healthPort = await freePort()
  const probes = `http://127.0.0.1:${healthPort}`
  let child: ChildProcess | undefined
  let ended: Promise<Ended> = Promise.resolve({ code: null, signal: null })
  return { start, figure, probes, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') }

  async function start(): Promise<{ pid: number }> {
    const log: FileHandle = await open(output, 'a')
    const argument = JSON.stringify({ ...options, healthPort })
    const started = spawn(process.execPath, [program, argument], { stdio: ['ignore', log.fd, log.fd] })
    child = started
    ended = once(started, 'exit').then(([code, signal]) => ({ code, signal }))
    await log.close()
    // The agent must not outlive this run, however it ends.
    process.once('exit', () => started.kill('SIGKILL'))
    await becomeReady()
    return { pid: started.pid ?? 0 }
  }

  async function becomeReady(): Promise<void> {
    const gone = ended.then(async ({ code, signal }) => {
      throw new Error(
        `the agent ended with ${code ?? signal} before it was ready:\n${await readFile(output, 'utf8')}`,
      )
    })
    gone.catch(() => undefined) // Heard below, while we wait.
    await Promise.race([gone, until(async () => (await get('/readyz'))?.ok === true, 'the agent is ready')])
  }

  async function figure(name: string): Promise<number | undefined> {
    const text = await (await get('/metrics'))?.text()
    const value = text?.match(new RegExp(`^${name}(?:{[^}]*})? (.+)$`, 'm'))?.[1]
    return value === undefined ? undefined : Number(value)
  }

  function get(path: string): Promise<Response | undefined> {
    // Nobody listening, or dying while it answers, is what these questions are for.
    return fetch(probes + path, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
  }

  async function end(signal: NodeJS.Signals): Promise<Ended> {
    child?.kill(signal)
    return ended
  }
}

/** Waits until the condition holds, asking every 20 ms, for 20 s at most. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited 20 s in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address === 'object' && address) return address.port
  throw new Error('no free port could be had')
}
