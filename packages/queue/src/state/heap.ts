/** Something that is due at a time; knows its place in its heap, so that it can be taken out. */
export interface Timed {
  /** Monotonic milliseconds. */
  at: number
  /** Index in the heap, or -1. Only the heap writes it. */
  place: number
}

/** Timed things, the earliest first: a binary heap that removes from the middle in O(log n). */
export class TimeHeap<T extends Timed> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  add(item: T): void {
    this.#items.push(item)
    this.#rise(this.#items.length - 1, item)
  }

  /** Nothing happens if it is not in there. */
  remove(item: T): void {
    const { place } = item
    if (place < 0 || this.#items[place] !== item) return
    const last = this.#items.pop()!
    item.place = -1
    if (last === item) return
    if (last.at < item.at) this.#rise(place, last)
    else this.#sink(place, last)
  }

  #rise(from: number, item: T): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (this.#items[parent]!.at <= item.at) break
      this.#put(place, this.#items[parent]!)
      place = parent
    }
    this.#put(place, item)
  }

  #sink(from: number, item: T): void {
    const items = this.#items
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= items.length) break
      if (child + 1 < items.length && items[child + 1]!.at < items[child]!.at) child++
      if (items[child]!.at >= item.at) break
      this.#put(place, items[child]!)
      place = child
    }
    this.#put(place, item)
  }

  #put(place: number, item: T): void {
    this.#items[place] = item
    item.place = place
  }
}
