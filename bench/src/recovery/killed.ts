// FOLDER NTH: recovers, and kills itself -9 after the NTH record of its journal.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { openJournal } from '@holdfast/recovery'
import { drawShapes, planOf, type Service } from './plans.ts'

const [folder = '', nth] = process.argv.slice(2)
const file = join(folder, 'started')
const service: Service = {
  state: async (key: string) =>
    existsSync(file) && readFileSync(file, 'utf8').split('\n').includes(key) ? true : undefined,
  start: async (_, key) => {
    appendFileSync(file, `${key}\n`)
    return true
  },
}
const journal = await openJournal(join(folder, 'journal'))
let written = 0
await planOf(drawShapes(createSeededRandom(1), 8, 3, 100), service).run({
  ...{ mode: 'recovery', folder },
  journal: {
    read: () => journal.read(),
    append: async (record) => {
      written += 1
      const dies = written === Number(nth)
      await journal.append(record)
      if (dies) process.kill(process.pid, 'SIGKILL')
    },
  },
})
await journal.close()
