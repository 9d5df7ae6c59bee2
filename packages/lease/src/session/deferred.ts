/** A promise and who settles it. A rejection that nobody looks at is no accident of the process. */
export interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** `Promise.withResolvers` came with Node 22. */
export function createDeferred(): Deferred {
  let resolve = (): void => {}
  let reject: Deferred['reject'] = () => {}
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  promise.catch((error: unknown) => void error)
  return { promise, resolve, reject }
}

/** As the promise settles, or at once with the signal's reason: an abort ends the waiting alone. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
