/**
 * File names are bytes on Linux and strings here: a byte that is not UTF-8 becomes
 * the lone surrogate U+DC80…U+DCFF, as Python's `surrogateescape` (PEP 383) has it,
 * so that every name survives the way there and back.
 */
export function nameOfBytes(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes)
  } catch {
    return escaped(bytes) // It is not UTF-8.
  }
}

/** The bytes that `nameOfBytes` made this name from. */
export function bytesOfName(name: string): Buffer {
  return Buffer.concat(
    name.split(lone).map((part) => (isLone(part) ? Buffer.of(part.charCodeAt(0) & 0xff) : Buffer.from(part))),
  )
}

/** A path for `node:fs`: the string itself, or bytes where only bytes can say it. */
export function fsPath(path: string): string | Buffer {
  return /\p{Surrogate}/u.test(path) ? bytesOfName(path) : path
}

/** The path of an entry of a folder. */
export function entryPath(folder: string, name: string): string {
  return `${folder === '/' ? '' : folder}/${name}`
}

/** Whether a name is one that may stand in a folder: no way up, no separator, at most 255 bytes. */
export function isSafeName(name: unknown): name is string {
  if (typeof name !== 'string' || name === '' || name === '.' || name === '..') return false
  if (name.includes('/') || name.includes('\0')) return false
  return Buffer.byteLength(name) <= 3 * 255 && bytesOfName(name).length <= 255
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lone = /([\uDC80-\uDCFF])/u

function isLone(part: string): boolean {
  return part.length === 1 && lone.test(part)
}

function escaped(bytes: Uint8Array): string {
  let name = ''
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => isCharacter(bytes.subarray(at, at + count)))
    name += length ? strict.decode(bytes.subarray(at, at + length)) : String.fromCharCode(0xdc00 + bytes[at]!)
    at += length ?? 1
  }
  return name
}

function isCharacter(bytes: Uint8Array): boolean {
  try {
    return strict.decode(bytes) !== ''
  } catch {
    return false // Not on its own: a longer or no sequence begins here.
  }
}
