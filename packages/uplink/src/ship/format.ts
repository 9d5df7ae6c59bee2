/** What of a job is sent. */
export interface Message<T = unknown> {
  readonly id: string
  readonly value: T
}

/** How messages become a body. Both functions must give the same bytes for the same messages at every attempt. */
export interface WireFormat<T = unknown> {
  readonly contentType: string
  /** One message; it should carry the id, by which the receiver tells a repetition. What it throws sends the message to the dead letter. */
  encode(message: Message<T>): string | Uint8Array
  /** The messages of one request, in order. */
  frame(messages: readonly Uint8Array[]): Uint8Array
}

/** One line `{"id":…,"value":…}` per message. */
export const ndjson: WireFormat = {
  contentType: 'application/x-ndjson',
  encode: encodeJson,
  frame: (messages) => join(messages, '', '\n', '\n'),
}

/** One array of `{"id":…,"value":…}`. */
export const jsonArray: WireFormat = {
  contentType: 'application/json',
  encode: encodeJson,
  frame: (messages) => join(messages, '[', ',', ']'),
}

/** The messages in one piece, with an ASCII character between each two. */
function join(messages: readonly Uint8Array[], open: string, between: string, close: string): Uint8Array {
  const bytes = messages.reduce((sum, message) => sum + message.length + 1, 0)
  const joined = Buffer.allocUnsafe(open.length + Math.max(0, bytes - 1) + close.length)
  let at = joined.write(open)
  for (const [nth, message] of messages.entries()) {
    if (nth > 0) at += joined.write(between, at, 'latin1')
    joined.set(message, at)
    at += message.length
  }
  joined.write(close, at, 'latin1')
  return joined
}

function encodeJson({ id, value }: Message): string {
  return JSON.stringify({ id, value: value ?? null })
}
