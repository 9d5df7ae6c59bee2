// node dist/main.js: a drill beside three services at work, then their wreck and their recovery, in about ten seconds.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endAll } from './processes.ts'
import { tellStory } from './story.ts'

const folder = await mkdtemp(join(tmpdir(), 'holdfast-recovery-drill-'))
// The services outlive this process: whatever ends it ends them.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    await leaveNothing()
    process.exit(130)
  })
try {
  process.exitCode = await tellStory(folder, (line) => console.log(line))
} finally {
  await leaveNothing()
}

async function leaveNothing(): Promise<void> {
  await endAll(folder, 'SIGKILL')
  await rm(folder, { recursive: true, force: true })
}
