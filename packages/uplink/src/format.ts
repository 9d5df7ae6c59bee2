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

const newline = Buffer.from('\n')
const comma = Buffer.from(',')

/** One line `{"id":…,"value":…}` per message. */
export const ndjson: WireFormat = {
  contentType: 'application/x-ndjson',
  encode: encodeJson,
  frame: (messages) => Buffer.concat(messages.flatMap((message) => [message, newline])),
}

/** One array of `{"id":…,"value":…}`. */
export const jsonArray: WireFormat = {
  contentType: 'application/json',
  encode: encodeJson,
  frame: (messages) =>
    Buffer.concat([
      Buffer.from('['),
      ...messages.flatMap((message, at) => (at === 0 ? [message] : [comma, message])),
      Buffer.from(']'),
    ]),
}

function encodeJson({ id, value }: Message): string {
  return JSON.stringify({ id, value: value ?? null })
}
