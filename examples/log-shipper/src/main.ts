// node examples/log-shipper/dist/main.js [--json]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { count, createDisplay, megabytes, table } from './display.ts'
import { type Outcome, tellStory } from './story.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const folder = await mkdtemp(join(tmpdir(), 'holdfast-log-shipper-'))
const display = createDisplay(process.stdout, () => performance.now())
try {
  const outcome = await tellStory(folder, display)
  display.close()
  report(outcome)
} catch (error) {
  display.close()
  console.error(error)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

function report(outcome: Outcome): void {
  const { wireBytes, textBytes, peak, linesPerSecond, fileBytes, fileIntact, resentBytes } = outcome
  const rows: [string, string][] = [
    ['lines written', count(outcome.written)],
    ['lines at the collector', count(outcome.received)],
    ['lines refused, in the dead letter', count(outcome.refused)],
    ['lost', count(outcome.lost)],
    ['doubled', count(outcome.doubled)],
    ['deliveries dropped by their id', count(outcome.redelivered)],
    ['requests with lines', count(outcome.requests)],
    ['bytes of lines, compressed', `${megabytes(wireBytes)} of ${megabytes(textBytes)}`],
    [`most lines within a second, at a rate of ${count(linesPerSecond)}`, count(peak)],
    ['large file, the same by SHA-256', fileIntact ? megabytes(fileBytes) : 'NO'],
    ['resumed after the cut at', megabytes(outcome.resumedAfterCut)],
    ['resumed after kill -9 at', megabytes(outcome.resumedAfterKill)],
    ['bytes of it sent twice', count(resentBytes)],
    ['crashes (kill -9)', count(outcome.crashes)],
    ['clean stops', count(outcome.cleanStops)],
  ]
  console.log(`\n${table(rows)}\n\nThe dead letter says: ${outcome.refusal}\n`)
  const ok = holds(outcome)
  console.log(ok ? 'Nothing was lost, nothing was doubled.' : 'This did not hold.')
  if (values.json) console.log(JSON.stringify({ ...outcome, ok }))
  process.exitCode = ok ? 0 : 1
}

function holds(outcome: Outcome): boolean {
  const { written, received, refused, lost, doubled, peak, linesPerSecond } = outcome
  const { fileIntact, fileBytes, resentBytes, resumedAfterCut, resumedAfterKill } = outcome
  const promises = [
    written > 0 && received + refused === written && refused === 1,
    lost === 0 && doubled === 0,
    // What flows within the second, one burst before it, and one batch that was long on its way.
    peak <= 1.2 * linesPerSecond,
    fileIntact && resumedAfterCut > 0 && resumedAfterKill > resumedAfterCut && resumedAfterKill < fileBytes,
    // What was on its way when the line was cut, and when the process died; no acknowledged byte is among it.
    resentBytes < 2 ** 20,
    outcome.crashes === 1 && outcome.cleanStops === 1,
  ]
  return promises.every(Boolean)
}
