// npm start -- [--etcd] [--json]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findEtcd } from './local-etcd.ts'
import { observeRegistrations } from './registration-observer.ts'
import { type Outcome, tellStory } from './story.ts'
import { createNarrator, table } from './terminal.ts'

const { values } = parseArgs({
  options: { etcd: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
})
const began = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'holdfast-telemetry-'))
const narrator = createNarrator(process.stdout, () => performance.now())
try {
  const outcome = values.etcd ? await onEtcd() : await tellStory({ folder, narrator })
  narrator.close()
  report(outcome, (performance.now() - began) / 1_000)
} catch (error) {
  narrator.close()
  console.error(error)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function onEtcd(): Promise<Outcome> {
  await using etcd = await findEtcd(folder)
  await using observer = await observeRegistrations(etcd.endpoints, 'telemetry-agent')
  narrator.note(`coordination by etcd at ${etcd.endpoints.join(', ')}`)
  return await tellStory({ folder, narrator, etcd: { endpoints: etcd.endpoints, observer } })
}

function report(outcome: Outcome, seconds: number): void {
  const { configReloads, crashes, restoredBytes, verified, registeredAgain } = outcome
  console.log(
    `\n${table([
      ['records produced (log lines, accepted readings)', String(outcome.produced)],
      ['records received', String(outcome.received)],
      ['lost', String(outcome.lost)],
      ['duplicates after the idempotency key', String(outcome.duplicates)],
      ['deliveries dropped by the idempotency key', String(outcome.redelivered)],
      ['ids issued twice', String(outcome.idsIssuedTwice)],
      ['config reloads', String(configReloads)],
      ['configs refused', String(outcome.configsRefused)],
      ['crashes (kill -9)', String(crashes)],
      ['clean stops', String(outcome.cleanStops)],
      ['bytes restored', String(restoredBytes)],
      ['restored state verified', verified ? 'yes' : 'NO'],
      ['registered again', registeredAgain ? 'yes' : 'NO'],
      ['seconds', seconds.toFixed(1)],
    ])}\n`,
  )
  const { produced, received, lost, duplicates } = outcome
  const ok =
    lost === 0 &&
    duplicates === 0 &&
    outcome.idsIssuedTwice === 0 &&
    produced > 0 &&
    configReloads > 0 &&
    crashes === 1 &&
    outcome.cleanStops === 2 &&
    restoredBytes > 0 &&
    verified &&
    registeredAgain
  console.log(ok ? 'Nothing was lost, nothing was doubled.' : 'This did not hold.')
  if (values.json)
    console.log(
      JSON.stringify({
        produced,
        received,
        lost,
        duplicates,
        configReloads,
        crashes,
        restoredBytes,
        verified,
        registeredAgain,
        seconds: Math.round(seconds * 10) / 10,
      }),
    )
  process.exitCode = ok ? 0 : 1
}
