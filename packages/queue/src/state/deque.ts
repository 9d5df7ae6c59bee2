/** A queue in an array: shifting does not move the rest each time. */
export interface Deque<T> {
  readonly length: number
  push(item: T): void
  shift(): T | undefined
  /** Undefined beyond the ends. */
  at(index: number): T | undefined
}

const slack = 1_024

export function createDeque<T>(): Deque<T> {
  let items: (T | undefined)[] = []
  let start = 0
  return {
    get length() {
      return items.length - start
    },
    push(item) {
      items.push(item)
    },
    at: (index) => (index < 0 ? undefined : items[start + index]),
    shift() {
      if (start >= items.length) return undefined
      const item = items[start]
      items[start++] = undefined
      if (start === items.length || (start > slack && start > items.length / 2)) {
        items = items.slice(start)
        start = 0
      }
      return item
    },
  }
}
