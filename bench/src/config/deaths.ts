import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type FileSystem, memorySource, openConfig } from '@holdfast/config'
import type { Round } from '../harness.ts'
import { documentOf, schema } from './document.ts'

/** Dies at one step after the other while three generations are written, and boots from what is left. */
export async function invalidAfterDeaths({ folder }: Round): Promise<number> {
  let invalid = 0
  for (let step = 1; ; step += 1) {
    const state = join(folder, String(step))
    const disk = createMortalDisk(step)
    await writeGenerations(state, disk)
    if (disk.proven && !(await bootsOnLastKnownGood(state))) invalid += 1
    if (!disk.died) return invalid
  }
}

interface MortalDisk extends FileSystem {
  readonly died: boolean
  /** Whether a whole generation was on the disk before it died. */
  proven: boolean
}

async function writeGenerations(folder: string, disk: MortalDisk): Promise<void> {
  const source = memorySource(documentOf(1))
  const config = await openConfig({
    schema,
    sources: [source],
    lastKnownGood: { folder, fileSystem: disk },
    probation: { forMs: 2, everyMs: 1, healthy: async () => true },
  })
  for (let limit = 2; limit <= 4; limit += 1) {
    while (config.status().running.onProbation) await new Promise((resolve) => setTimeout(resolve, 1))
    await config.refresh()
    if (!disk.died) disk.proven = true
    source.set(documentOf(limit))
    await config.refresh()
  }
  await config.close()
}

async function bootsOnLastKnownGood(folder: string): Promise<boolean> {
  const out = memorySource({})
  out.fail(new Error('down'))
  const config = await openConfig({ schema, sources: [out], lastKnownGood: folder, bootTimeoutMs: 1 }).catch(
    () => undefined,
  )
  await config?.close()
  return config?.origin === 'lkg' && config.value.limit === config.value.copyOfLimit
}

/** A disk on which nothing happens any more from one step on; a write that it dies in is cut in half. */
function createMortalDisk(dieAt: number): MortalDisk {
  let steps = 0
  const dies = (): boolean => {
    steps += 1
    return steps >= dieAt
  }
  const step = async (act: () => Promise<unknown>): Promise<void> => {
    if (!dies()) await act()
  }
  return {
    proven: false,
    get died() {
      return steps >= dieAt
    },
    makeFolder: (path) => step(() => mkdir(path, { recursive: true })),
    read: (path) => readFile(path, 'utf8').catch(() => undefined),
    rename: (from, to) => step(() => rename(from, to)),
    remove: (path) => step(() => rm(path, { force: true })),
    syncFolder: () => step(async () => undefined),
    async write(path, text) {
      if (steps >= dieAt) return
      const file = await open(path, 'w')
      try {
        await file.writeFile(dies() ? text.slice(0, text.length / 2) : text)
      } finally {
        await file.close()
      }
    },
  }
}
