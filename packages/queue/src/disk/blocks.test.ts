import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { expect, onTestFinished, test } from 'vitest'
import { checkTables, isTableIntact } from './blocks.ts'
import { crc32c, unmask } from './crc32c.ts'
import { uncompress } from './snappy.ts'

test('a table that LevelDB wrote is intact, until any byte of its blocks changes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-blocks-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const level = new Level(folder) as Level & { compactRange(start: string, end: string): Promise<void> }
  await level.open()
  for (let n = 0; n < 500; n++) await level.put(`key ${n}`, `value ${n} `.repeat(n % 30))
  await level.compactRange('', '~')
  await level.close()
  const file = readdirSync(folder).find((name) => name.endsWith('.ldb'))!
  expect(await checkTables(folder, 'all')).toEqual([])
  const table = readFileSync(join(folder, file))
  for (let at = 0; at < table.length - 48; at += 97) {
    const damaged = Buffer.from(table)
    damaged[at]! ^= 0x20
    expect(isTableIntact(damaged), `byte ${at}`).toBe(false)
  }
  expect(isTableIntact(table.subarray(0, -1))).toBe(false)
  expect(isTableIntact(Buffer.alloc(0))).toBe(false)
  writeFileSync(join(folder, '999999.ldb'), table.subarray(0, -1))
  expect(await checkTables(folder, 'finished')).toEqual([])
  expect(await checkTables(folder, 'all')).toEqual(['999999.ldb'])
})

test('CRC-32C and its masking have the values that are published for them', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  const crc = crc32c(Buffer.from('foo'))
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
  expect(unmask(masked)).toBe(crc)
})

test('Snappy: literals, copies that overlap, and nonsense', () => {
  expect(uncompress(Buffer.from([5, 0x10, 97, 98, 99, 100, 101])).toString()).toBe('abcde')
  expect(uncompress(Buffer.from([7, 0x00, 97, 0x09, 1])).toString()).toBe('aaaaaaa')
  expect(() => uncompress(Buffer.from([5, 0x10, 97]))).toThrow(RangeError)
  expect(() => uncompress(Buffer.from([9, 0x00, 97, 0x09, 9]))).toThrow(RangeError)
})
