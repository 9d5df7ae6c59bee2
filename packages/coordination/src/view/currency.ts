/** A linearizable read: which it was, and when it was sent. */
export interface Read {
  /** Rises with each read sent. */
  readonly number: number
  readonly sentMs: number
  /** The host's uptime when it was sent, which counts suspended time. */
  readonly sentUptimeMs: number
}

/** What a read found: the store's revision, and how many keys were selected then. */
export interface Found {
  readonly revision: number
  readonly count: number
}

/** Whether the replica has as many keys as a read counted at a revision that both have passed. */
export type Judgement = 'sound' | 'diverged'

/**
 * What is known about how current a replica is. Pure: it knows neither the store nor time.
 *
 * A read that finds revision R proves nothing by itself: only once the replica
 * holds all up to R was it current when the read was sent. A late event proves
 * nothing either, for nobody knows when it was new. So a read sets a mark, and the
 * replica passing the mark proves the moment at which the read was sent, provided
 * that it has as many keys there as the read counted: if not, a deletion was lost.
 *
 * Where a read finds the very content that the replica has, that is a proof before
 * any event tells so. But keys that were put and deleted in between may still be on
 * their way; as their events are shown, the replica is in the past again, and the
 * proof becomes a mark.
 */
export interface Currency {
  /** The latest read proven; its `number` is 0 before the first. */
  readonly proven: Read
  /** The replica equals the store as of this revision, though no event may have told so. */
  readonly provenRevision: number
  /** A read goes out, and the replica stands here. Each must be followed by one `end`. */
  begin(revision: number, size: number): void
  end(): void
  /** The read found exactly what the replica holds. */
  same(read: Read, found: Found): void
  /** The read, begun and not ended, found this. */
  found(read: Read, found: Found): Judgement
  /** All up to this revision has been told, and so many keys are left. */
  reached(revision: number, size: number): Judgement
  /** The events of this revision are about to be shown. */
  show(revision: number): void
  /** A snapshot took the place of all that was known. */
  restart(read: Read, found: Found): void
}

interface Mark {
  readonly read: Read
  readonly found: Found
}

/** So many marks are kept, the oldest ones and the newest; as many proofs ahead, the oldest and the newest ones. */
const maxMarks = 32

/** `onProven` is told of each proof that is newer than all before. */
export function createCurrency(onProven: () => void = () => {}): Currency {
  /** The latest proof at or before what the replica was told. */
  let base: Mark = {
    read: { number: 0, sentMs: Number.NEGATIVE_INFINITY, sentUptimeMs: Number.NEGATIVE_INFINITY },
    found: { revision: 0, count: 0 },
  }
  /** Proofs by content, after what the replica was told. */
  let ahead: Mark[] = []
  /** Reads that the replica has still to pass. */
  let open: Mark[] = []
  /** Where the replica stood since the oldest read under way was sent. */
  let trail: { revision: number; size: number }[] = []
  let underWay = 0
  let newest = 0

  return {
    get proven() {
      return latest().read
    },
    get provenRevision() {
      return latest().found.revision
    },
    begin(revision, size) {
      underWay += 1
      trail.push({ revision, size })
    },
    end() {
      underWay -= 1
      if (underWay === 0) trail = []
    },
    same(read, found) {
      if (ahead.length === maxMarks) ahead.splice(1, 1)
      ahead.push({ read, found })
      tell()
    },
    found,
    reached,
    show(revision) {
      open = [...ahead.filter((mark) => mark.found.revision >= revision), ...open]
      rebase(ahead.filter((mark) => mark.found.revision < revision))
      ahead = []
    },
    restart(read, found) {
      base = { read, found }
      ahead = []
      open = []
      trail = []
      tell()
    },
  }

  function latest(): Mark {
    return ahead.at(-1) ?? base
  }

  function found(read: Read, found: Found): Judgement {
    const stood = trail.findLast(({ revision }) => revision <= found.revision)
    if (stood && trail.at(-1)!.revision >= found.revision) return judge([{ read, found }], stood.size)
    if (open.length >= maxMarks) open.pop()
    open.push({ read, found })
    return 'sound'
  }

  function reached(revision: number, size: number): Judgement {
    if (underWay > 0) trail.push({ revision, size })
    rebase(ahead.filter((mark) => mark.found.revision <= revision))
    ahead = ahead.filter((mark) => mark.found.revision > revision)
    const passed = open.filter((mark) => mark.found.revision <= revision)
    open = open.filter((mark) => mark.found.revision > revision)
    return judge(passed, size)
  }

  function judge(passed: readonly Mark[], size: number): Judgement {
    if (passed.some((mark) => mark.found.count !== size)) return 'diverged'
    rebase(passed)
    return 'sound'
  }

  function rebase(proofs: readonly Mark[]): void {
    for (const proof of proofs) if (proof.read.number > base.read.number) base = proof
    tell()
  }

  function tell(): void {
    const { number } = latest().read
    if (number <= newest) return
    newest = number
    onProven()
  }
}
