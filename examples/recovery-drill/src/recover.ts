// node dist/recover.js report --journal FILE: how far a run is, or was.
// node dist/recover.js recovery|drill --folder F --backup REPOSITORY --journal FILE [--declared-at MS] [--figures FILE] [--report FILE]
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Figures, formatReport, type Mode, openJournal, readJournal, reportOf } from '@holdfast/recovery'
import { folderStore, openRepository } from '@holdfast/snapshot'
import { snapshotBackup } from './backup.ts'
import { recoveryPlan } from './plan.ts'
import { processes } from './processes.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: 'state' },
    backup: { type: 'string', default: 'backup' },
    journal: { type: 'string', default: 'recovery.journal' },
    'declared-at': { type: 'string' },
    figures: { type: 'string' },
    report: { type: 'string' },
  },
})
if (positionals[0] === 'report') {
  const report = reportOf(await readJournal(values.journal))
  console.log(report ? formatReport(report) : 'nothing was begun yet')
  process.exit()
}
await using repository = await openRepository(folderStore(values.backup), { create: false })
await using journal = await openJournal(values.journal)
const plan = recoveryPlan({ platform: processes, backup: snapshotBackup(repository) })
plan.on('phaseBegan', ({ step, phase, attempt }) =>
  console.log(`  ${step}: ${phase}${attempt > 1 ? `, attempt ${attempt}` : ''}`),
)
plan.on('found', ({ step }) => console.log(`  ${step}: is started already`))
plan.on('failed', ({ step, error }) => console.log(`  ${step}: failed: ${error}`))
plan.on('skipped', ({ step, because }) => console.log(`  ${step}: skipped for want of ${because}`))
plan.on('rtoExceeded', ({ tier }) => console.log(`  the RTO of tier ${tier} has passed`))
for (const { message } of plan.problems()) console.log(`  problem: ${message}`)

const report = await plan.run({
  mode: positionals[0] as Mode,
  ...{ folder: values.folder, journal },
  ...(values['declared-at'] === undefined ? {} : { declaredAt: Number(values['declared-at']) }),
  ...(values.figures === undefined ? {} : { figures: await readFigures(values.figures) }),
})
console.log(`\n${formatReport(report)}\n`)
if (values.report !== undefined) await writeFile(values.report, JSON.stringify(report, null, 2))
const inTime = report.tiers.every(({ verdict }) => verdict === 'met')
process.exitCode = report.outcome !== 'recovered' ? 1 : inTime ? 0 : 3

async function readFigures(file: string): Promise<Figures> {
  return (JSON.parse(await readFile(file, 'utf8')) as { figures: Figures }).figures
}
