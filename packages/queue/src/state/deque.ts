const slack = 1_024

/** A queue in an array: shifting does not move the rest each time. */
export class Deque<T> {
  #items: (T | undefined)[] = []
  #start = 0

  get length(): number {
    return this.#items.length - this.#start
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Undefined beyond the ends. */
  at(index: number): T | undefined {
    return index < 0 ? undefined : this.#items[this.#start + index]
  }

  shift(): T | undefined {
    const items = this.#items
    const start = this.#start
    if (start >= items.length) return undefined
    const item = items[start]
    items[start] = undefined
    this.#start++
    if (this.#start === items.length) {
      items.length = 0
      this.#start = 0
    } else if (start > slack && start > items.length / 2) {
      this.#items = items.slice(this.#start)
      this.#start = 0
    }
    return item
  }
}
