/** Uncompresses Snappy's raw format (google/snappy, format_description.txt). Throws a RangeError for what is not that. */
export function uncompress(bytes: Buffer): Buffer {
  let at = 0
  let length = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes.readUInt8(at++)
    length += (byte & 0x7f) * scale
    if (byte < 128) break
  }
  if (length > 2 ** 27) throw new RangeError('not a block')
  const out = Buffer.alloc(length)
  let end = 0
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at++)
    if ((tag & 3) === 0) literal(tag >> 2)
    else if ((tag & 3) === 1) copy(((tag >> 2) & 7) + 4, ((tag >> 5) << 8) | bytes.readUInt8(at++))
    else if ((tag & 3) === 2) copy((tag >> 2) + 1, offset(2))
    else copy((tag >> 2) + 1, offset(4))
  }
  if (end !== length) throw new RangeError('not a block')
  return out

  function offset(size: 2 | 4): number {
    at += size
    return bytes.readUIntLE(at - size, size)
  }

  function literal(code: number): void {
    let size = code + 1
    if (code >= 60) {
      size = bytes.readUIntLE(at, code - 59) + 1
      at += code - 59
    }
    if (at + size > bytes.length || end + size > length) throw new RangeError('not a block')
    bytes.copy(out, end, at, at + size)
    at += size
    end += size
  }

  /** May overlap itself, so byte by byte. */
  function copy(size: number, back: number): void {
    if (back === 0 || back > end || end + size > length) throw new RangeError('not a block')
    for (let left = size; left > 0; left--, end++) out[end] = out[end - back]!
  }
}
