import {
  type ChannelCredentials,
  Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { checkString } from '@holdfast/core'
import type { Check, CheckOptions } from '../check.ts'
import { healthError } from '../errors.ts'
import { decodeResponse, encodeRequest, servingStatus } from './wire.ts'

export interface GrpcCheckOptions extends CheckOptions {
  readonly name: string
  /** `host:port`, or any other target that gRPC resolves. */
  readonly target: string
  /** The service to ask about; the empty string is the server as a whole. @default '' */
  readonly service?: string
  /** @default no TLS */
  readonly credentials?: ChannelCredentials
}

/** Passes when `grpc.health.v1.Health/Check` answers SERVING. Each run opens its own channel and closes it. */
export function grpcCheck(options: GrpcCheckOptions): Check {
  const { target, service = '', credentials: chosen = credentials.createInsecure(), ...check } = options
  checkString('target', target)
  return { ...check, run }

  async function run(signal: AbortSignal): Promise<void> {
    const client = new Client(target, chosen)
    try {
      const answer = await ask(client, service, signal)
      if (answer === servingStatus.serving) return
      throw healthError('CHECK_FAILED', `The service answers ${statusName(answer)}, not SERVING`, {
        fields: { service },
      })
    } finally {
      client.close()
    }
  }
}

function ask(client: Client, service: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      encodeRequest,
      decodeResponse,
      { service },
      new Metadata(),
      {},
      (error, answer = servingStatus.unknown) => {
        signal.removeEventListener('abort', cancel)
        if (error) reject(callError(error))
        else resolve(answer)
      },
    )
    const cancel = (): void => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    if (signal.aborted) cancel()
  })
}

function callError(cause: ServiceError): Error {
  return healthError('CHECK_FAILED', `The call ended with ${status[cause.code]}`, {
    cause,
    fields: { status: status[cause.code] },
  })
}

function statusName(answer: number): string {
  return ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'][answer] ?? String(answer)
}
