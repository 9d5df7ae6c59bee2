/** One page of `ListObjectsV2`. */
export interface Page {
  readonly objects: readonly { readonly key: string; readonly size: number; readonly modifiedMs: number }[]
  /** Where the next page begins; undefined for the last one. */
  readonly next: string | undefined
}

/** Reads a page, of which S3 writes no XML that would need a parser of all of it; undefined for what is no whole page. */
export function pageOf(xml: string): Page | undefined {
  const truncated = textOf(xml, 'IsTruncated')
  const next = textOf(xml, 'NextContinuationToken')
  if (!/<\/ListBucketResult>\s*$/.test(xml) || truncated === undefined) return undefined
  if (truncated === 'true' && next === undefined) return undefined
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, contents = '']) => ({
    key: textOf(contents, 'Key') ?? '',
    size: Number(textOf(contents, 'Size') ?? Number.NaN),
    modifiedMs: Date.parse(textOf(contents, 'LastModified') ?? ''),
  }))
  if (objects.some(({ size, modifiedMs }) => Number.isNaN(size + modifiedMs))) return undefined
  return { objects, next: truncated === 'true' ? next : undefined }
}

/** S3's own code and message of a failure; empty where it is no answer of S3. */
export function errorOf(xml: string): { code: string; message: string } {
  return { code: textOf(xml, 'Code') ?? '', message: (textOf(xml, 'Message') ?? '').slice(0, 300) }
}

function textOf(xml: string, element: string): string | undefined {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1]
  return text?.replace(/&(lt|gt|quot|apos|amp|#\d+|#x[0-9a-fA-F]+);/g, (_, name: string) => characterOf(name))
}

const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

function characterOf(name: string): string {
  if (!name.startsWith('#')) return named[name]!
  return String.fromCodePoint(Number(name.startsWith('#x') ? `0x${name.slice(2)}` : name.slice(1)))
}
