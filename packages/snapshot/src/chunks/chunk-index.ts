import { snapshotError } from '../errors.ts'
import type { PackListing } from '../format/index-blob.ts'
import type { PackEntry } from '../format/pack.ts'
import { tagBytes } from '../keys/keys.ts'
import { canRead } from './codec.ts'

/** Where a chunk is. */
export interface ChunkLocation extends PackEntry {
  /** The pack's SHA-256, 64 hexadecimal digits. */
  readonly pack: string
  readonly packBytes: number
}

/** Finds chunks by id, in about 60 bytes of memory for each. */
export interface ChunkIndex {
  readonly size: number
  /** Adds what a pack holds. A chunk that is known already stays where it was found first, unless only the other can be read here. */
  add(listing: PackListing): void
  find(id: string): ChunkLocation | undefined
  has(id: string): boolean
  /** Its number, from 0 in the order of adding, for tables beside this one. */
  numberOf(id: string): number | undefined
}

const idBytes = 32
const figures = 6 // pack, offset, stored length, length, codec, ordinal

/** A hash table of open addressing over typed arrays: ids are random already, so their first bytes are the hash. */
export function createChunkIndex(): ChunkIndex {
  const packs: { pack: string; size: number }[] = []
  let slots = new Int32Array(1_024).fill(-1)
  let ids = new Uint8Array(512 * idBytes)
  let numbers = new Uint32Array(512 * figures)
  let size = 0
  return {
    get size() {
      return size
    },
    add({ pack, size: packBytes, entries }) {
      packs.push({ pack, size: packBytes })
      for (const entry of entries) insert(entry, packs.length - 1)
    },
    find(id) {
      const at = slots[slotOf(Buffer.from(id, 'hex'))]!
      return at < 0 ? undefined : locate(id, at)
    },
    has: (id) => slots[slotOf(Buffer.from(id, 'hex'))]! >= 0,
    numberOf(id) {
      const at = slots[slotOf(Buffer.from(id, 'hex'))]!
      return at < 0 ? undefined : at
    },
  }

  function insert(entry: PackEntry, pack: number): void {
    const id = Buffer.from(entry.id, 'hex')
    const slot = slotOf(id)
    const known = slots[slot]!
    if (known < 0) append(id, slot, entry, pack)
    else if (!canRead(codecAt(known)) && canRead(entry.codec)) setFigures(known, entry, pack)
  }

  function append(id: Buffer, slot: number, entry: PackEntry, pack: number): void {
    if ((size + 1) * idBytes > ids.length) growEntries()
    slots[slot] = size
    ids.set(id, size * idBytes)
    setFigures(size, entry, pack)
    size += 1
    if (size * 2 > slots.length) growSlots()
  }

  function setFigures(at: number, entry: PackEntry, pack: number): void {
    const { offset, storedLength, length, codec, ordinal } = entry
    numbers.set([pack, offset, storedLength, length, codec, ordinal], at * figures)
  }

  function codecAt(at: number): number {
    return numbers[at * figures + 4]!
  }

  function locate(id: string, at: number): ChunkLocation {
    const [pack, offset, storedLength, length, codec, ordinal] = numbers.subarray(
      at * figures,
      (at + 1) * figures,
    )
    const found = packs[pack!]!
    return {
      id,
      pack: found.pack,
      packBytes: found.size,
      offset: offset!,
      storedLength: storedLength!,
      length: length!,
      codec: codec!,
      ordinal: ordinal!,
    }
  }

  /** The slot that holds this id, or the free one where it belongs. */
  function slotOf(id: Buffer): number {
    const mask = slots.length - 1
    for (let slot = id.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const at = slots[slot]!
      if (at < 0 || id.equals(ids.subarray(at * idBytes, (at + 1) * idBytes))) return slot
    }
  }

  function growEntries(): void {
    const moreIds = new Uint8Array(ids.length * 2)
    moreIds.set(ids)
    ids = moreIds
    const moreNumbers = new Uint32Array(numbers.length * 2)
    moreNumbers.set(numbers)
    numbers = moreNumbers
  }

  function growSlots(): void {
    slots = new Int32Array(slots.length * 2).fill(-1)
    for (let at = 0; at < size; at += 1)
      slots[slotOf(Buffer.from(ids.subarray(at * idBytes, (at + 1) * idBytes)))] = at
  }
}

/** Where a chunk is that must be there: OBJECT_MISSING, or SNAPSHOT_REFUSED for one that would fill the memory. */
export function locateChunk(index: ChunkIndex, id: string, maxBytes: number): ChunkLocation {
  const at = index.find(id)
  const fields = { chunk: id }
  if (!at) throw snapshotError('OBJECT_MISSING', `chunk ${id} is in no pack of the snapshot`, { fields })
  // None is stored in more bytes than it has.
  const bytes = Math.max(at.length, at.storedLength - tagBytes)
  if (bytes <= maxBytes) return at
  throw snapshotError('SNAPSHOT_REFUSED', `chunk ${id} has ${bytes} bytes, which is too long`, { fields })
}
