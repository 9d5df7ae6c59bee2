import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openConfig } from './config.ts'
import { hashOf } from './document.ts'
import { memorySource } from './sources/memory.ts'
import { type Agent, createPart, schema, type TestPart, valid } from './testing/kit.ts'
import { createMemoryDisk, type MemoryDisk } from './testing/memory-disk.ts'
import type { Config, Derived } from './types.ts'

const runs = process.env['HOLDFAST_DEEP'] ? 2_000 : 150

// What a limit means here: 1–4 are good, 5 and 6 do not open, 7 and 8 are sick on probation, 0 is invalid.
const isValid = (limit: number): boolean => limit > 0
const opens = (limit: number): boolean => limit !== 5 && limit !== 6
const isSick = (limit: number): boolean => limit > 6
const isGood = (limit: number): boolean => isValid(limit) && opens(limit) && !isSick(limit)
const documentOf = (limit: number) => ({ ...valid, limit })
const hashes = new Map(Array.from({ length: 9 }, (_, limit) => [hashOf(documentOf(limit)), limit]))

type Step =
  | { kind: 'set'; limit: number }
  | { kind: 'fail' | 'refresh' | 'die' | 'restart' }
  | { kind: 'wait'; ms: number }

const limits = fc.integer({ min: 0, max: 8 })
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), limit: limits }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        ms: fc.constantFrom(0, 30, 600, 3_000, 30_000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('fail' as const, 'refresh' as const, 'die' as const, 'restart' as const),
      }),
    },
  ),
  { minLength: 3, maxLength: 25 },
)

/** 5 is refused while 7 is on probation; the rollback from 7 must not make 5 worth another try. */
const refusedBeforeRollback: Step[] = [
  { kind: 'set', limit: 7 },
  { kind: 'die' },
  { kind: 'set', limit: 5 },
  { kind: 'wait', ms: 0 },
  { kind: 'wait', ms: 30_000 },
  { kind: 'set', limit: 5 },
  { kind: 'wait', ms: 600 },
]

/** One host: its disk outlives its processes, and one of those runs at a time. */
class Host {
  readonly clock = createFakeClock()
  readonly source = memorySource(documentOf(1))
  readonly story: string[] = []
  readonly applied: number[] = []
  disk: MemoryDisk = createMemoryDisk()
  config!: Config<Agent>
  part!: Derived<TestPart>
  lastSet = 1
  out = false
  died = false
  rejections: (string | undefined)[] = []

  async boot(): Promise<void> {
    this.story.length = 0
    this.rejections = [] // a process that was not there has to be told
    const opening = openConfig({
      schema,
      sources: [this.source],
      clock: this.clock,
      random: createSeededRandom(7),
      bootTimeoutMs: 1_000,
      lastKnownGood: { folder: '/state', fileSystem: this.disk },
      probation: {
        forMs: 5_000,
        everyMs: 1_000,
        failAfter: 2,
        healthy: async () => !isSick(this.config.value.limit),
      },
    })
    void opening.catch(() => undefined)
    await this.clock.advance(1_100)
    this.config = await opening
    this.config.on('rejected', ({ hash }) => {
      if (hash !== undefined) this.rejections.push(hash)
    })
    this.part = await this.config.derive({
      name: 'part',
      select: (value) => value.limit,
      open: async (limit) => {
        if (!opens(limit)) throw new Error('it does not open')
        return createPart(String(limit), this.story)
      },
    })
  }

  async step(step: Step): Promise<void> {
    if (step.kind === 'wait') await this.clock.advance(step.ms)
    else if (step.kind === 'set') {
      if (step.limit !== this.lastSet) this.rejections = []
      this.lastSet = step.limit
      this.out = false
      this.source.set(documentOf(step.limit))
    } else if (step.kind === 'fail') {
      this.out = true
      this.source.fail(new Error('down'))
    } else if (step.kind === 'refresh') {
      this.rejections = []
      await this.config.refresh()
    } else {
      // A death keeps what the disk holds; the old process goes on in nobody's sight, on a disk of its own.
      if (step.kind === 'die') {
        this.disk = this.disk.afterPowerLoss()[0]!
        this.died = true
      }
      await this.config.close()
      expect(live(this.story)).toBe(0)
      await this.boot()
    }
  }

  check(): void {
    const { running, lastKnownGood, attempt } = this.config.status()
    const { limit } = this.config.value
    expect(isValid(limit) && opens(limit)).toBe(true)
    expect(hashes.get(running.hash)).toBe(limit)
    expect(this.part.current.made).toBe(String(limit))
    expect(this.part.current.ended).toBe(false)
    expect(Object.isFrozen(this.config.value.upstream)).toBe(true)
    expect(isGood(hashes.get(lastKnownGood.hash ?? '') ?? 1)).toBe(true)
    if (attempt.state === 'applied') expect(attempt.hash).toBe(running.hash)
    // Refused once for each time that the sources said it.
    expect(new Set(this.rejections).size).toBe(this.rejections.length)
  }
}

function live(story: readonly string[]): number {
  return story.reduce((count, line) => count + (line.startsWith('open') ? 1 : -1), 0)
}

test('whatever is set, fails, dies or restarts: what runs is valid, whole, and ends up good', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const host = new Host()
      await host.boot()
      await host.clock.advance(20_000) // the first config is proven: there is something to return to
      for (const step of script) {
        await host.step(step)
        host.check()
      }
      await host.clock.advance(200_000)
      host.check()
      expect(live(host.story)).toBe(1)
      expect(isGood(host.config.value.limit)).toBe(true)
      expect(host.config.status().running.onProbation).toBe(false)
      // A death on probation condemns a config, though it may not have been its fault.
      const condemned = host.died && host.config.status().attempt.state === 'rolled-back'
      if (isGood(host.lastSet) && !host.out && !condemned)
        expect(host.config).toMatchObject({ origin: 'live', value: { limit: host.lastSet } })
      if (!isGood(host.lastSet) && !host.out)
        expect(['rejected', 'rolled-back']).toContain(host.config.status().attempt.state)
      await host.config.close()
      expect(live(host.story)).toBe(0)
      expect(host.clock.sleepers).toBe(0)
    }),
    { numRuns: runs, examples: [[refusedBeforeRollback]] },
  )
}, 300_000)
