// node dist/restore.js: gives an agent without state the newest backup of it, before the agent starts.
// Does nothing where there is state, or no backup yet. Ends with 1, the state untouched, where a backup can't be restored.
import { join } from 'node:path'
import { isHoldfastError } from '@holdfast/core'
import { folderStore, openRepository } from '@holdfast/snapshot'
import { ownEnvironment } from './environment.ts'

const { AGENT_NAME, STATE_DIR, BACKUP_DIR } = ownEnvironment()
await using repository = await openRepository(folderStore(BACKUP_DIR))
const newest = (await repository.list({ name: `${AGENT_NAME}/queue` })).at(-1)
if (newest) await restore(newest)
else console.log(`no backup of ${AGENT_NAME} yet: it begins anew`)

async function restore(snapshot: NonNullable<typeof newest>): Promise<void> {
  try {
    const { files, restoredBytes, target } = await repository.restore(snapshot, join(STATE_DIR, 'queue'))
    console.log(`restored ${files} files, ${restoredBytes} bytes, to ${target}`)
  } catch (error) {
    if (!isHoldfastError(error, 'TARGET_EXISTS')) throw error
    console.log('there is state: nothing was restored')
  }
}
