// node dist/main.js [HOURS]: backs up a busy database every "hour", wrecks it, and brings it back.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folderStore } from '@holdfast/snapshot'
import { tellStory } from './story.ts'
import { createScreen } from './terminal.ts'

const folder = await mkdtemp(join(tmpdir(), 'holdfast-backup-restore-'))
const screen = createScreen()
try {
  const store = folderStore(join(folder, 'repository'))
  const { lostSinceSnapshot, kept } = await tellStory({
    folder,
    store,
    ...screen,
    hours: Number(process.argv[2] ?? 8),
    initialRecords: 30_000,
  })
  screen.say(`${kept} snapshots kept; the ${lostSinceSnapshot} records written since the last one are lost`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
