import { z } from 'zod'

/** What an operator may change while the agent runs: the settings file, or the ConfigMap's key. */
export const settingsSchema = z.object({
  /** Stamped on every reading. */
  site: z.string().min(1),
  /** The pause between two readings. */
  sampleMs: z.number().int().min(10).max(3_600_000),
})
