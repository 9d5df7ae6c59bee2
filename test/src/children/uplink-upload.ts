import { existsSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { fileBody, startUpload } from '@holdfast/uplink'

// Uploads a file, slowly, from its checkpoint on, which it keeps in another file.
const [url, path, kept] = process.argv.slice(2) as [string, string, string]
const upload = await startUpload({
  ...{ url, body: await fileBody(path), chunkBytes: 512 * 1024, rate: { max: 500_000, perMs: 100 } },
  backoff: { minMs: 1, maxMs: 20 },
  checkpoint: existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : undefined,
  saveCheckpoint: async (checkpoint) => {
    await writeFile(`${kept}.new`, JSON.stringify(checkpoint))
    await rename(`${kept}.new`, kept)
  },
})
await upload.exited
