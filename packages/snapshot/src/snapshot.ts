/** One complete, immutable copy of a source. */
export interface Snapshot {
  /** `sha256:…` of its manifest: its name for ever. */
  readonly digest: string
  /** Such as `edge-7/queue`. */
  readonly name: string
  /** When it was begun, in milliseconds since the Unix epoch, by the clock of who made it. */
  readonly timeMs: number
  readonly tags: Readonly<Record<string, string>>
  /** `directory`, `leveldb`, `stream` or what a source of your own calls itself. */
  readonly kind: string
  /** `partial` where a file could not be read or never stood still: `restore` gives back what there is. */
  readonly state: 'complete' | 'partial'
  readonly files: number
  readonly folders: number
  /** Of all files' contents, in bytes. */
  readonly bytes: number
  /** Of the packs that were new with it, in bytes. */
  readonly storedBytes: number
  /** How many files changed each time that they were read, and could not be read. */
  readonly inconsistent: number
  readonly unreadable: number
}

/** How far an operation is. */
export interface Progress {
  /** What it does now. */
  readonly phase: 'scan' | 'read' | 'write' | 'verify' | 'commit'
  readonly bytes: number
  readonly files: number
  /** All that there is to do, where it is known; an estimate from the last snapshot of that name while a folder is read. */
  readonly totalBytes: number | undefined
  readonly bytesPerSecond: number
  /** Estimated, in milliseconds. */
  readonly msLeft: number | undefined
}

/** What every longer operation takes. */
export interface OperationOptions {
  signal?: AbortSignal | undefined
  /** Called at most ten times a second and at the end. It must not throw. */
  onProgress?: ((progress: Progress) => void) | undefined
}
