/** What the agent ships: one reading of the host, or one line of the log. */
export interface TelemetryRecord {
  /** Unique for what was observed: a line's number in its file, a reading's number in its process. */
  observation: string
  source: 'host' | 'log'
  /** Milliseconds since the Unix epoch. */
  at: number
  /** Where the agent says it stands; comes from its config. */
  site: string
  body: unknown
}

/** What the agent says of itself, again and again. */
export interface Beat {
  instance: string
  incarnation: number
  sequence: number
  intervalMs: number
  /** Whether its registration is in the store and its lease is held. */
  registered: boolean
  /** How often this process has applied a new config since its start. */
  configReloads: number
  queued: number
}
