import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileBody, startUpload } from '@holdfast/uplink'

export async function writeFileOf(folder: string, bytes: number): Promise<string> {
  const path = join(folder, 'body')
  const file = await open(path, 'w')
  const part = Buffer.alloc(2 ** 20, 'holdfast')
  for (let written = 0; written < bytes; written += part.length) await file.write(part)
  await file.close()
  return path
}

export async function uploadByTus(url: string, path: string): Promise<void> {
  const upload = await startUpload({ url: `${url}/files`, body: await fileBody(path) })
  await upload.exited
}

/** All of it as one request, which begins anew when it is cut. */
export async function uploadByFetch(url: string, path: string): Promise<void> {
  const body = Readable.toWeb(createReadStream(path)) as ReadableStream
  const response = await fetch(url, { method: 'PUT', body, duplex: 'half' })
  if (!response.ok) throw new Error(`answered ${response.status}`)
  await response.arrayBuffer()
}
