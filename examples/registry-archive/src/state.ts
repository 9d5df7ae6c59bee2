import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What an agent leaves on its disk in a day: a log that grows, a model that stays, settings that change. */
export async function liveADay(folder: string, day: number, modelBytes: number): Promise<void> {
  await mkdir(join(folder, 'models'), { recursive: true })
  if (day === 1) await writeFile(join(folder, 'models/current'), randomBytes(modelBytes))
  const lines = Array.from({ length: 2_000 }, (_, at) => `day ${day} event ${at} ${Math.sin(at)}\n`)
  await appendFile(join(folder, 'events.log'), lines.join(''))
  await writeFile(join(folder, 'settings.json'), JSON.stringify({ day }))
}

/** SHA-256 of the names and contents of all files below a folder. */
export async function stateOf(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const file of files.sort()) hash.update(`${file.slice(folder.length)}\0`).update(await readFile(file))
  return hash.digest('hex')
}
