import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, type Readable } from 'node:stream'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

export interface TusServer extends AsyncDisposable {
  readonly url: string
  /** Bytes of bodies that came over the line, since this server began. */
  readonly received: number
  /** Another process on the same folder and port, as it were. */
  restart(): Promise<void>
}

/** The reference implementation of the protocol for Node, on a folder. `onBytes` hears of all bytes received so far. */
export async function startTusServer(
  directory: string,
  onBytes: (received: number) => void,
): Promise<TusServer> {
  let received = 0
  let server = await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/files`,
    get received() {
      return received
    },
    async restart() {
      await close()
      server = await listen(port)
    },
    [Symbol.asyncDispose]: close,
  }

  async function listen(at: number) {
    const datastore = new CountingStore({ directory }, (bytes) => {
      received += bytes
      onBytes(received)
    })
    const tus = new Server({ path: '/files', datastore, relativeLocation: true })
    const listening = createServer((request, response) => {
      tus.handle(request, response).catch(() => response.destroy())
    })
    await new Promise<void>((resolve) => listening.listen(at, '127.0.0.1', resolve))
    return listening
  }

  async function close(): Promise<void> {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

class CountingStore extends FileStore {
  readonly #count: (bytes: number) => void

  constructor(options: { directory: string }, count: (bytes: number) => void) {
    super(options)
    this.#count = count
  }

  override write(source: Readable, id: string, offset: number): Promise<number> {
    const counted = new PassThrough()
    source.on('data', (part: Buffer) => this.#count(part.length))
    source.on('error', (error) => counted.destroy(error))
    return super.write(source.pipe(counted), id, offset)
  }
}
