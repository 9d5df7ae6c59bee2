// node dist/main.js [https://registry/namespace/name]: pushes an agent's state to a registry and gets it back.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findArchive } from './registry.ts'
import { tellStory } from './story.ts'
import { progressLine, tableOf } from './table.ts'

const { stdout } = process
const clear = stdout.isTTY ? '\r\x1b[2K' : ''
const say = (line: string): unknown => stdout.write(`${clear}${line}\n`)

const folder = await mkdtemp(join(tmpdir(), 'holdfast-registry-archive-'))
try {
  await using archive = await findArchive(folder, process.argv[2])
  say(`${archive.store.description}: ${archive.what}`)
  const rows = await tellStory({
    folder,
    archive: archive.store,
    say,
    progress: (what) => (progress) => {
      if (stdout.isTTY) stdout.write(clear + progressLine(what, progress))
    },
  })
  for (const line of tableOf(rows)) say(line)
  if (!rows.every(({ intact }) => intact)) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
