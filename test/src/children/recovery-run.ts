import { join } from 'node:path'
import { type JournalRecord, openJournal } from '@holdfast/recovery'
import { recoverServices } from '../recovery/services.ts'

// FOLDER WHEN NTH: recovers, and kills itself -9 after it has written its NTH record, before that, or
// before the NTH record of something it has done (`effect`).
const [folder, when, nth] = process.argv.slice(2) as [string, string, string]
const journal = await openJournal(join(folder, 'journal'))
let count = 0
await recoverServices(folder, {
  read: () => journal.read(),
  append: async (record: JournalRecord) => {
    if (when !== 'effect' || record.type === 'started' || record.type === 'ready') count += 1
    const dies = count === Number(nth)
    if (dies && when !== 'after') process.kill(process.pid, 'SIGKILL')
    await journal.append(record)
    if (dies && when === 'after') process.kill(process.pid, 'SIGKILL')
  },
})
await journal.close()
