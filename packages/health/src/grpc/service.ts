import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { checkMethods, checkOneOf } from '@holdfast/core'
import { type Gate, gates } from '../check.ts'
import type { Health } from '../health.ts'
import {
  decodeRequest,
  encodeList,
  encodeRequest,
  encodeResponse,
  type Request,
  type ServingStatus,
  servingStatus,
} from './wire.ts'

export interface HealthServiceOptions {
  readonly health: Pick<Health, 'probe' | 'on'>
  /** Names of your services, and the gate that speaks for each. @default none */
  readonly services?: Readonly<Record<string, Gate>>
}

export interface HealthService extends Disposable {
  /** With these, `server.addService(definition, implementation)` serves it beside your own services. */
  readonly definition: ServiceDefinition
  readonly implementation: UntypedServiceImplementation
  /** Ends every watch. Idempotent; same as `Symbol.dispose`. */
  close(): void
}

type WatchCall = ServerWritableStream<Request, ServingStatus>

/**
 * `grpc.health.v1.Health` with Check, List and Watch, answered from memory.
 *
 * The empty service name is the gate `ready`; `startup`, `ready` and `live` are
 * the gates; `services` adds your own names. For any other, Check ends with
 * NOT_FOUND and Watch tells SERVICE_UNKNOWN. A watch tells the status at once,
 * then each time that it becomes another.
 */
export function createHealthService({ health, services = {} }: HealthServiceOptions): HealthService {
  checkMethods('health', health, ['probe', 'on'])
  for (const [name, gate] of Object.entries(services)) checkOneOf(`services.${name}`, gate, gates)
  const gateOf = new Map<string, Gate>([
    ['', 'ready'],
    ...gates.map((gate) => [gate, gate] as const),
    ...Object.entries(services),
  ])
  const watches = new Set<WatchCall>()
  return { definition, implementation: { check, list, watch }, close, [Symbol.dispose]: close }

  function statusOf(service: string): ServingStatus {
    const gate = gateOf.get(service)
    if (!gate) return servingStatus.serviceUnknown
    return health.probe(gate).ok ? servingStatus.serving : servingStatus.notServing
  }

  function check(
    { request }: ServerUnaryCall<Request, ServingStatus>,
    answer: sendUnaryData<ServingStatus>,
  ): void {
    if (gateOf.has(request.service)) answer(null, statusOf(request.service))
    else answer({ code: status.NOT_FOUND, details: 'no such service' })
  }

  function list(
    _: ServerUnaryCall<object, ReadonlyMap<string, ServingStatus>>,
    answer: sendUnaryData<ReadonlyMap<string, ServingStatus>>,
  ): void {
    answer(null, new Map([...gateOf.keys()].map((service) => [service, statusOf(service)])))
  }

  function watch(call: WatchCall): void {
    let told: ServingStatus | undefined
    const tell = (): void => {
      const now = statusOf(call.request.service)
      if (now !== told) call.write(now)
      told = now
    }
    const unsubscribe = health.on('gateChanged', tell)
    watches.add(call)
    call.on('cancelled', () => {
      unsubscribe()
      watches.delete(call)
      call.end()
    })
    tell()
  }

  function close(): void {
    for (const call of watches) call.emit('cancelled')
  }
}

/** What a generated stub would define: paths, and how messages are read and written. */
const definition: ServiceDefinition = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: encodeRequest,
    requestDeserialize: decodeRequest,
    responseSerialize: encodeResponse,
    responseDeserialize: unused,
  },
  list: {
    path: '/grpc.health.v1.Health/List',
    requestStream: false,
    responseStream: false,
    requestSerialize: unused,
    requestDeserialize: () => ({}),
    responseSerialize: encodeList,
    responseDeserialize: unused,
  },
  watch: {
    path: '/grpc.health.v1.Health/Watch',
    requestStream: false,
    responseStream: true,
    requestSerialize: encodeRequest,
    requestDeserialize: decodeRequest,
    responseSerialize: encodeResponse,
    responseDeserialize: unused,
  },
}

/** A server only reads requests and writes responses. */
function unused(): never {
  throw new Error('the definition is for servers')
}
