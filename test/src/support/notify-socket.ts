import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** What stands in for systemd: a datagram socket in the file system, and all that came in. */
export interface NotifySocket extends AsyncDisposable {
  /** For NOTIFY_SOCKET. */
  readonly path: string
  /** All that came, a line for each datagram, once this came. */
  until(text: string): Promise<string>
}

/** Whether it can be had; says so loudly where not. Throws when CI=true. */
export function canReceiveNotifications(): boolean {
  const missing = ['systemd-notify', 'perl'].filter(
    (program) => spawnSync(program, ['--version']).status !== 0,
  )
  if (missing.length === 0) return true
  if (process.env['CI']) throw new Error(`${missing.join(' and ')} must be there in CI`)
  console.warn(`SKIPPED: the real notification socket is not tested, ${missing.join(' and ')} not found`)
  return false
}

/** Node has no datagram sockets in the file system; perl has. */
export async function openNotifySocket(): Promise<NotifySocket> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-notify-'))
  const path = join(folder, 'notify')
  const program = `use IO::Socket::UNIX; $| = 1;
    my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die $!;
    print "listening\\n"; while (defined $s->recv(my $m, 65536)) { $m =~ s/\\n/ /g; print "$m\\n" }`
  const child = spawn('perl', ['-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout)
  let heard = ''
  lines.on('line', (line) => {
    heard += `${line}\n`
  })
  const until = async (text: string): Promise<string> => {
    while (!heard.includes(text)) await once(lines, 'line')
    return heard
  }
  await until('listening')
  return {
    path,
    until,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true })
    },
  }
}
