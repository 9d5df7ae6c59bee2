import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { z } from 'zod'
import { openConfig } from '../config.ts'
import type { ConfigOptions } from '../options.ts'
import { type MemorySource, memorySource } from '../sources/memory.ts'
import type { Config } from '../types.ts'

export interface Agent {
  upstream: { url: string; token?: string | undefined }
  limit: number
}

export const schema: z.ZodType<Agent> = z.strictObject({
  upstream: z.strictObject({ url: z.string(), token: z.string().optional() }),
  limit: z.number().int().min(1).max(100).default(10),
})

export const valid: { upstream: { url: string } } = { upstream: { url: 'http://a' } }

export interface Bench {
  readonly clock: FakeClock
  readonly source: MemorySource
  readonly config: Config<Agent>
  /** Every event so far, in words. */
  readonly log: string[]
  /** Lets the sources settle and the attempt run. */
  settle(): Promise<void>
}

/** A config on one memory source and a fake clock, with its events as lines. */
export async function startBench(
  options: Partial<ConfigOptions<typeof schema>> & { document?: unknown } = {},
): Promise<Bench> {
  const { document = valid, ...rest } = options
  const clock = createFakeClock()
  const source = memorySource(document)
  const config = await openConfig({
    schema,
    sources: [source],
    clock,
    random: createSeededRandom(1),
    ...rest,
  })
  return { clock, source, config, log: logOf(config), settle: () => clock.advance(1_000) }
}

export function logOf(config: Config<unknown>): string[] {
  const log: string[] = []
  config.on('applied', ({ revision, origin, changed }) => {
    log.push(`applied ${revision} ${origin} ${changed.join(' ')}`)
  })
  config.on('rejected', ({ error }) => {
    log.push(`rejected ${error.code}`)
  })
  config.on('rolledBack', ({ error }) => {
    log.push(`rolledBack ${error.code}`)
  })
  config.on('pending', ({ changed }) => {
    log.push(`pending ${changed.join(' ')}`)
  })
  config.on('staged', ({ ready }) => {
    log.push(`staged ${ready}`)
  })
  config.on('sourceFailed', ({ source, error }) => {
    log.push(`sourceFailed ${source} ${error.code}`)
  })
  config.on('sourceRecovered', ({ source }) => {
    log.push(`sourceRecovered ${source}`)
  })
  config.on('saveFailed', ({ error }) => {
    log.push(`saveFailed ${error.code}`)
  })
  config.on('disposeFailed', ({ part }) => {
    log.push(`disposeFailed ${part}`)
  })
  return log
}

/** A part that tells when it is opened and ended. */
export interface TestPart {
  readonly made: string
  ended: boolean
  close(): Promise<void>
}

export function createPart(made: string, story: string[]): TestPart {
  story.push(`open ${made}`)
  const part: TestPart = {
    made,
    ended: false,
    async close() {
      if (part.ended) throw new Error(`${made} was ended twice`)
      part.ended = true
      story.push(`end ${made}`)
    },
  }
  return part
}
