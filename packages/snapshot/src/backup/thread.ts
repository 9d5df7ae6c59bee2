import { Worker } from 'node:worker_threads'
import type { Compressed } from '../chunks/codec.ts'
import type { Answer, CompressedBatch, ReadFile, Request, ThreadData } from './thread-program.ts'

/** From source, as in tests, the build's is taken: Node 20 runs no TypeScript in a thread. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/backup/thread-program.js' : './thread-program.js',
  import.meta.url,
)

/** A thread that reads small files and compresses them. */
export interface Thread {
  /** How many batches it has in hand. */
  readonly busy: number
  /** Reads a batch; every file of it is undefined where the thread has died. */
  read(paths: readonly string[]): Promise<ReadBatch>
  close(): Promise<void>
}

export interface ReadBatch {
  readonly files: readonly ReadFile[]
  /** Compresses these of the files, by their place, and lets go of all. To be called once. Rejects where the thread has died. */
  compress(wanted: readonly number[]): Promise<readonly Compressed[]>
}

export function startThread(workerData: ThreadData): Thread {
  // None of the process's own flags, such as for another way to resolve packages, is of use there.
  const worker = new Worker(program, { workerData, execArgv: [] })
  const asked = new Map<number, { resolve(answer: Answer): void; reject(error: unknown): void }>()
  let batches = 0
  let death: { cause: unknown } | undefined
  worker.on('message', (answer: Answer) => {
    asked.get(answer.batch)?.resolve(answer)
    asked.delete(answer.batch)
  })
  worker.on('error', die)
  worker.on('exit', (code) => die(new Error(`a thread ended with ${code}`)))
  return {
    get busy() {
      return asked.size
    },
    read,
    close: async () => void (await worker.terminate()),
  }

  async function read(paths: readonly string[]): Promise<ReadBatch> {
    const batch = batches++
    const compress = async (wanted: readonly number[]): Promise<readonly Compressed[]> => {
      if (wanted.length === 0 && death) return []
      const answer = await ask({ batch, wanted })
      return 'chunks' in answer ? apart(answer) : []
    }
    const answer = await ask({ batch, paths }).catch(() => undefined)
    const files: (ReadFile | null)[] = answer && 'files' in answer ? JSON.parse(answer.files) : []
    return { files: paths.map((_, at) => files[at] ?? undefined), compress }
  }

  function ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (death) throw death.cause
      asked.set(request.batch, { resolve, reject })
      worker.postMessage(request)
    })
  }

  function die(cause: unknown): void {
    death ??= { cause }
    for (const { reject } of asked.values()) reject(cause)
    asked.clear()
  }
}

function apart({ bytes, chunks }: CompressedBatch): Compressed[] {
  let end = 0
  return chunks.map(({ codec, length }) => {
    end += length
    return { codec, bytes: bytes.subarray(end - length, end) }
  })
}
