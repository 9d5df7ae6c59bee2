import { type ChildProcess, spawn } from 'node:child_process'

/** Ends a child should this process die without a word: the guard's standard input closes then. It goes when the child does. */
export function guard(child: ChildProcess): void {
  const script = 'read _; kill -9 "$1" 2>/dev/null'
  const watchman = spawn('sh', ['-c', script, 'guard', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watchman.stdin!.on('error', () => undefined) // It is killed with its pipe open.
  child.once('exit', () => watchman.kill('SIGKILL'))
}
