/**
 * The messages of `grpc.health.v1` in Protocol Buffers' wire format. They hold
 * one string, one enum and one map, so no code generator is needed; fields that
 * are not known are skipped, as the format asks.
 */
export const servingStatus = { unknown: 0, serving: 1, notServing: 2, serviceUnknown: 3 } as const

export type ServingStatus = (typeof servingStatus)[keyof typeof servingStatus]

const varint = 0
const fixed64 = 1
const lengthDelimited = 2
const fixed32 = 5

/** HealthCheckRequest. An object, since grpc-js takes an empty string for no message. */
export interface Request {
  readonly service: string
}

/** HealthCheckRequest: `string service = 1`. */
export function encodeRequest({ service }: Request): Buffer {
  return service === '' ? Buffer.alloc(0) : lengthField(1, Buffer.from(service))
}

export function decodeRequest(bytes: Buffer): Request {
  let service = ''
  for (const { field, payload } of fields(bytes)) if (field === 1 && payload) service = payload.toString()
  return { service }
}

/** HealthCheckResponse: `ServingStatus status = 1`. */
export function encodeResponse(status: ServingStatus): Buffer {
  return status === 0 ? Buffer.alloc(0) : Buffer.from([(1 << 3) | varint, status])
}

export function decodeResponse(bytes: Buffer): number {
  let status = 0
  for (const { field, value } of fields(bytes)) if (field === 1 && value !== undefined) status = value
  return status
}

/** HealthListResponse: `map<string, HealthCheckResponse> statuses = 1`. */
export function encodeList(statuses: ReadonlyMap<string, ServingStatus>): Buffer {
  const entries = [...statuses].map(([service, status]) =>
    lengthField(
      1,
      Buffer.concat([lengthField(1, Buffer.from(service)), lengthField(2, encodeResponse(status))]),
    ),
  )
  return Buffer.concat(entries)
}

interface Field {
  readonly field: number
  /** Of a varint field. */
  readonly value?: number
  /** Of a length-delimited field. */
  readonly payload?: Buffer
}

function* fields(bytes: Buffer): Generator<Field> {
  for (let at = 0; at < bytes.length; ) {
    const key = readVarint(bytes, at)
    const field = key.value >>> 3
    const wireType = key.value & 7
    at = key.end
    if (wireType === varint) {
      const { value, end } = readVarint(bytes, at)
      yield { field, value }
      at = end
    } else if (wireType === lengthDelimited) {
      const { value: length, end } = readVarint(bytes, at)
      yield { field, payload: slice(bytes, end, length) }
      at = end + length
    } else if (wireType === fixed64 || wireType === fixed32) {
      at += wireType === fixed64 ? 8 : 4
    } else throw new RangeError(`not a message: wire type ${wireType}`)
  }
}

function slice(bytes: Buffer, start: number, length: number): Buffer {
  if (start + length > bytes.length) throw new RangeError('not a message: cut short')
  return bytes.subarray(start, start + length)
}

function readVarint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0
  for (let at = start; at < start + 10; at += 1) {
    const byte = bytes[at]
    if (byte === undefined) throw new RangeError('not a message: cut short')
    value += (byte & 0x7f) * 2 ** (7 * (at - start))
    if (byte < 0x80) return { value, end: at + 1 }
  }
  throw new RangeError('not a message: a number without end')
}

function lengthField(field: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | lengthDelimited]), writeVarint(payload.length), payload])
}

function writeVarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}
