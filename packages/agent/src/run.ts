import { deferred } from './deferred.ts'
import { exitCodeOf } from './exit-codes.ts'
import type { RunningAgent, RunOptions } from './types.ts'

type ProcessListener = () => void

/** What `run` needs of Node's `process`; nothing is touched before `run` is called with it. */
export interface ProcessLike {
  exitCode?: number | string | null | undefined
  exit(code: number): void
  on(event: 'SIGTERM' | 'SIGINT', listener: ProcessListener): unknown
  once(event: 'exit', listener: ProcessListener): unknown
  off(event: 'SIGTERM' | 'SIGINT', listener: ProcessListener): unknown
}

type Start = (signal: AbortSignal) => Promise<RunningAgent>

/** Runs an agent until it is asked to stop or gives up, and leaves the exit code that tells which. */
export async function runUntilStopped(start: Start, { signal, process }: RunOptions): Promise<void> {
  const asked = new AbortController()
  const ask = (): void => asked.abort(signal?.reason)
  if (signal?.aborted) ask()
  signal?.addEventListener('abort', ask, { once: true })
  const ignoreSignals = process ? listenToSignals(process, asked) : undefined
  try {
    await runOnce(start, asked.signal)
    if (process) process.exitCode = exitCodeOf()
  } catch (error) {
    if (process) leaveExitCode(process, exitCodeOf(error))
    throw error
  } finally {
    signal?.removeEventListener('abort', ask)
    ignoreSignals?.()
  }
}

async function runOnce(start: Start, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return
  let agent: RunningAgent
  try {
    agent = await start(stop)
  } catch (error) {
    if (stop.aborted && error === stop.reason) return
    throw error
  }
  const { promise: stopped, resolve } = deferred<void>()
  stop.addEventListener('abort', () => resolve(), { once: true })
  if (!stop.aborted) await Promise.race([agent.exited, stopped])
  await Promise.all([agent.exited, agent.close()])
}

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const

function listenToSignals(process: ProcessLike, asked: AbortController): () => void {
  const listeners = (['SIGINT', 'SIGTERM'] as const).map((name) => ({
    name,
    listener: () => (asked.signal.aborted ? process.exit(128 + signalNumbers[name]) : asked.abort()),
  }))
  for (const { name, listener } of listeners) process.on(name, listener)
  return () => {
    for (const { name, listener } of listeners) process.off(name, listener)
  }
}

/** Node ends with 1 when nobody catches the rejection of `run`, whatever `exitCode` said: put ours back. */
function leaveExitCode(process: ProcessLike, code: number): void {
  process.exitCode = code
  process.once('exit', () => {
    if (process.exitCode === 1) process.exitCode = code
  })
}
