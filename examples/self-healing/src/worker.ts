import type { Config } from '@holdfast/config'
import type { Broker } from './broker.ts'

export interface Worker extends AsyncDisposable {
  /** Rejects when no work could be done now. */
  ping(): Promise<void>
}

export interface WorkerOptions {
  config: Config<{ broker: string }>
  broker: Broker
  registrationKey: string
}

/** Works over one line to the broker, which follows the config. Put your own work here. */
export async function startWorker({ config, broker, registrationKey }: WorkerOptions): Promise<Worker> {
  const line = await config.derive({
    name: 'line',
    select: (settings) => settings.broker,
    open: (address) => broker.dial(address),
  })
  return {
    ping: () => line.current.ping(registrationKey),
    [Symbol.asyncDispose]: line.close,
  }
}
