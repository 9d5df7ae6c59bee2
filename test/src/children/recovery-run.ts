import { join } from 'node:path'
import { type JournalRecord, openJournal } from '@holdfast/recovery'
import { recoverServices } from '../recovery/services.ts'

// FOLDER RECORD before|after: recovers, and kills itself -9 before or after it has written that record.
const [folder, record, when] = process.argv.slice(2) as [string, string, string]
const journal = await openJournal(join(folder, 'journal'))
let written = 0
await recoverServices(folder, {
  read: () => journal.read(),
  append: async (fact: JournalRecord) => {
    written += 1
    const dies = written === Number(record)
    if (dies && when === 'before') process.kill(process.pid, 'SIGKILL')
    await journal.append(fact)
    if (dies && when === 'after') process.kill(process.pid, 'SIGKILL')
  },
})
await journal.close()
