import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'

/** What the last-known-good needs of a disk. Every call rejects with the system's own error. */
export interface FileSystem {
  /** Makes the folder and those above it; fine if it is there. */
  makeFolder(path: string): Promise<void>
  /** The content, or `undefined` when there is no such file. */
  read(path: string): Promise<string | undefined>
  /** Creates or replaces the file; its content, not its name, is on the disk when this resolves. */
  write(path: string, text: string): Promise<void>
  /** Atomic: whoever reads `to` sees the old file or the new one. */
  rename(from: string, to: string): Promise<void>
  /** Fine if there is no such file. */
  remove(path: string): Promise<void>
  /** Names created, renamed and removed in the folder are on the disk when this resolves. */
  syncFolder(path: string): Promise<void>
}

/** The disk of this machine. Files are for their owner alone. */
export const nodeFileSystem: FileSystem = {
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o700 })
  },
  async read(path) {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  },
  async write(path, text) {
    const file = await open(path, 'w', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  },
  rename,
  async remove(path) {
    await rm(path, { force: true })
  },
  async syncFolder(path) {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
}
