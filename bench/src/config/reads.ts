import { performance } from 'node:perf_hooks'
import { memorySource, openConfig } from '@holdfast/config'
import type { Round } from '../harness.ts'
import { documentOf, type Settings, schema } from './document.ts'

export async function readValue(round: Round): Promise<number> {
  await using config = await openConfig({ schema, sources: [memorySource(documentOf(1))] })
  return nanosecondsPerRead(round, (reads) => {
    let sum = 0
    for (let read = 0; read < reads; read += 1) sum += config.value.limit
    return sum
  })
}

export async function readPlain(round: Round): Promise<number> {
  const holder: { value: Readonly<Settings> } = { value: Object.freeze(documentOf(1)) }
  return nanosecondsPerRead(round, (reads) => {
    let sum = 0
    for (let read = 0; read < reads; read += 1) sum += holder.value.limit
    return sum
  })
}

function nanosecondsPerRead({ quick }: Round, loop: (reads: number) => number): number {
  const reads = quick ? 50_000_000 : 200_000_000
  loop(1_000_000)
  const started = performance.now()
  const sum = loop(reads)
  const elapsedMs = performance.now() - started
  if (sum !== reads) throw new Error('the reads were wrong')
  return (elapsedMs * 1e6) / reads
}
