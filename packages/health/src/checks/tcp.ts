import { once } from 'node:events'
import { connect } from 'node:net'
import { checkInteger, checkString } from '@holdfast/core'
import type { Check, CheckOptions } from '../check.ts'

export interface TcpCheckOptions extends CheckOptions {
  readonly name: string
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
}

/** Passes when a TCP connection is accepted. It is reset at once; nothing is sent. */
export function tcpCheck({ host, port, ...options }: TcpCheckOptions): Check {
  checkString('host', host)
  checkInteger('port', port, { min: 1, max: 65_535 })
  return { ...options, run }

  async function run(signal: AbortSignal): Promise<void> {
    const socket = connect({ host, port, signal })
    try {
      await once(socket, 'connect')
    } finally {
      socket.destroy()
    }
  }
}
