/** Something that is due at a time; knows its place in its heap, so that it can be taken out. */
export interface Timed {
  /** Monotonic milliseconds. */
  at: number
  /** Index in the heap, or -1. Only the heap writes it. */
  place: number
}

/** Timed things, the earliest first: a binary heap that removes from the middle in O(log n). */
export interface TimeHeap<T extends Timed> {
  readonly size: number
  readonly first: T | undefined
  add(item: T): void
  /** Nothing happens if it is not in there. */
  remove(item: T): void
}

export function createTimeHeap<T extends Timed>(): TimeHeap<T> {
  const items: T[] = []
  return {
    get size() {
      return items.length
    },
    get first() {
      return items[0]
    },
    add(item) {
      items.push(item)
      rise(items.length - 1, item)
    },
    remove(item) {
      const { place } = item
      if (place < 0 || items[place] !== item) return
      const last = items.pop()!
      item.place = -1
      if (last === item) return
      if (last.at < item.at) rise(place, last)
      else sink(place, last)
    },
  }

  function rise(from: number, item: T): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (items[parent]!.at <= item.at) break
      put(place, items[parent]!)
      place = parent
    }
    put(place, item)
  }

  function sink(from: number, item: T): void {
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= items.length) break
      if (child + 1 < items.length && items[child + 1]!.at < items[child]!.at) child++
      if (items[child]!.at >= item.at) break
      put(place, items[child]!)
      place = child
    }
    put(place, item)
  }

  function put(place: number, item: T): void {
    items[place] = item
    item.place = place
  }
}
