/** A linearizable read: when it was sent, by number and in time, and which revision it found. */
export interface Read {
  /** Rises with each read sent. */
  readonly number: number
  readonly sentMs: number
  /** The host's uptime when it was sent, which counts suspended time. */
  readonly sentUptimeMs: number
}

/**
 * What is known about how current a replica is.
 *
 * A read that finds revision R proves nothing by itself: only once the replica
 * holds all up to R was it current when the read was sent. A late event proves
 * nothing either, for nobody knows when it was new. So reads set marks, and the
 * replica reaching a mark proves the moment at which its read was sent.
 */
export interface Currency {
  /** The latest read proven; its `number` is 0 before the first. */
  readonly proven: Read
  /** The replica holds all up to this revision as of the latest proof, though no event may have told so. */
  readonly provenRevision: number
  /** The read found exactly what the replica holds. */
  prove(read: Read, revision: number): void
  /** The read found a revision that the replica has still to reach. */
  expect(read: Read, revision: number): void
  /** The replica holds all up to this revision. */
  reached(revision: number): void
  /** Another history begins: marks and revisions of the old one mean nothing. */
  restart(): void
}

/** More marks than this are not kept; the newest and the oldest ones are. */
const maxMarks = 32

/** `onProven` is told of each proof that is newer than the one before. */
export function createCurrency(onProven: () => void = () => {}): Currency {
  let proven: Read = { number: 0, sentMs: Number.NEGATIVE_INFINITY, sentUptimeMs: Number.NEGATIVE_INFINITY }
  let provenRevision = 0
  let marks: { read: Read; revision: number }[] = []

  return {
    get proven() {
      return proven
    },
    get provenRevision() {
      return provenRevision
    },
    prove,
    expect(read, revision) {
      if (marks.length === maxMarks) marks.pop()
      marks.push({ read, revision })
    },
    reached(revision) {
      const last = marks.findLast((mark) => mark.revision <= revision)
      marks = marks.filter((mark) => mark.revision > revision)
      if (last) prove(last.read, revision)
    },
    restart() {
      marks = []
      provenRevision = 0
    },
  }

  function prove(read: Read, revision: number): void {
    provenRevision = Math.max(provenRevision, revision)
    if (read.number <= proven.number) return
    proven = read
    onProven()
  }
}
