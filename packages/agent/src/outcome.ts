export type Outcome<T> = { kind: 'done'; value: T } | { kind: 'failed'; error: unknown } | { kind: 'overrun' }

/** How an operation ends, as a value: never rejects, also where the operation throws at once. */
export async function outcomeOf<T>(operation: () => T | PromiseLike<T>): Promise<Outcome<T>> {
  try {
    return { kind: 'done', value: await operation() }
  } catch (error) {
    return { kind: 'failed', error }
  }
}
