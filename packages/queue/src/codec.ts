/** Turns values into bytes and back. */
export interface Codec<T> {
  /** The result is not kept by the codec, nor changed later; it is copied before the enqueue returns. A throw rejects that. */
  encode(value: T): Uint8Array
  /** Must not keep `bytes`. A throw puts the message to the dead letter. */
  decode(bytes: Uint8Array): T
}

/** Any JSON value. */
export const jsonCodec: Codec<unknown> = {
  encode: (value) => {
    const text: string | undefined = JSON.stringify(value)
    if (text === undefined) throw new TypeError(`value must have a JSON form, got ${typeof value}`)
    return Buffer.from(text)
  },
  decode: (bytes) => JSON.parse(asBuffer(bytes).toString()),
}

/** Bytes as they are. What is taken is a copy of its own. */
export const bytesCodec: Codec<Uint8Array> = {
  encode: (value) => {
    if (!(value instanceof Uint8Array)) throw new TypeError(`value must be a Uint8Array, got ${typeof value}`)
    return value
  },
  decode: (bytes) => Buffer.from(bytes),
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
