import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Progress } from './progress.ts'
import type { LogShipperOptions } from './shipper.ts'

/** How a process ended. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

/** What a supervisor such as systemd does for a shipper: start it, end it. */
export interface ShipperHost {
  /** Starts the process and waits for its first word. */
  start(): Promise<{ pid: number }>
  /** What the process said last; undefined before it said anything. */
  readonly progress: Progress | undefined
  kill(): Promise<Ended>
  /** Asks it to end as an orchestrator would, and waits. */
  stop(): Promise<Ended>
}

const program = fileURLToPath(new URL('./shipper-process.js', import.meta.url))

/** @param output the file that takes what the process writes */
export function createShipperHost(options: LogShipperOptions, output: string): ShipperHost {
  let child: ChildProcess | undefined
  let ended: Promise<Ended> = Promise.resolve({ code: null, signal: null })
  let progress: Progress | undefined
  return {
    start,
    get progress() {
      return progress
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }

  async function start(): Promise<{ pid: number }> {
    const log = await open(output, 'a')
    const started = fork(program, [JSON.stringify(options)], { stdio: ['ignore', log.fd, log.fd, 'ipc'] })
    child = started
    progress = undefined
    started.on('message', (said) => {
      progress = said as Progress
    })
    ended = once(started, 'exit').then(([code, signal]) => ({ code, signal }))
    await log.close()
    // It must not outlive this run, however that ends.
    process.once('exit', () => started.kill('SIGKILL'))
    const early = await Promise.race([once(started, 'message').then(() => undefined), ended])
    if (early) throw new Error(`the shipper ended with ${early.code ?? early.signal}: see ${output}`)
    return { pid: started.pid ?? 0 }
  }

  async function end(signal: NodeJS.Signals): Promise<Ended> {
    child?.kill(signal)
    return await ended
  }
}
