/** Runs tasks one at a time, in the order in which they were handed over; a failed one does not stop the next. */
export function createExclusive(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const result = last.then(task)
    last = result.then(
      () => undefined,
      () => undefined, // the caller has it
    )
    return result
  }
}
