import { expect, test } from 'vitest'
import { errorOf, pageOf } from './xml.ts'

const page = (rest: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rest}</ListBucketResult>`
const object =
  '<Contents><Key>a/b&amp; c</Key><LastModified>2026-11-25T09:51:46.123Z</LastModified><ETag>&quot;x&quot;</ETag><Size>12</Size><StorageClass>STANDARD</StorageClass></Contents>'

test('a page gives keys, sizes and times, and where the next one begins', () => {
  const next = '<NextContinuationToken>a&amp;b&#61;&#x3d;</NextContinuationToken>'
  expect(pageOf(page(`<IsTruncated>true</IsTruncated>${object}${next}`))).toEqual({
    objects: [{ key: 'a/b& c', size: 12, modifiedMs: Date.UTC(2026, 10, 25, 9, 51, 46, 123) }],
    next: 'a&b==',
  })
  expect(pageOf(page('<IsTruncated>false</IsTruncated>'))).toEqual({ objects: [], next: undefined })
})

test('what is no whole page is none', () => {
  const whole = page(`<IsTruncated>false</IsTruncated>${object}`)
  for (const length of [0, whole.length >> 1, whole.length - 1])
    expect(pageOf(whole.slice(0, length))).toBe(undefined)
  expect(pageOf(page('<IsTruncated>true</IsTruncated>'))).toBe(undefined)
  expect(pageOf(page(`<IsTruncated>false</IsTruncated>${object.replace('12', 'many')}`))).toBe(undefined)
  expect(pageOf(page(`<IsTruncated>false</IsTruncated>${object.replace('2026', 'x')}`))).toBe(undefined)
})

test('an error gives its code and message', () => {
  const xml = '<Error><Code>SlowDown</Code><Message>Reduce your &lt;rate&gt;</Message></Error>'
  expect(errorOf(xml)).toEqual({ code: 'SlowDown', message: 'Reduce your <rate>' })
  expect(errorOf('<html>502</html>')).toEqual({ code: '', message: '' })
})
