import { z } from 'zod'

/** What an operator may change while the agent runs. */
export const settingsSchema = z.object({
  /** Stamped on every record. */
  site: z.string().min(1),
  /** The pause between two readings of the host. */
  sampleMs: z.number().int().min(1).max(60_000),
  /** Stops reading the host and the log; what is queued is still shipped. */
  paused: z.boolean().default(false),
})

export type Settings = z.infer<typeof settingsSchema>
