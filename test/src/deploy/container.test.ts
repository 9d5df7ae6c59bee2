import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { DCLinter } from 'dclint'
import { validate } from 'dockerfile-utils'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { watchPod } from '../health/kubelet.ts'
import { root } from '../support/workspace.ts'
import { imageOf } from './image.ts'
import { createSite, example, type Site } from './site.ts'

interface ComposeService {
  readonly image: string
  readonly environment: Record<string, string>
  readonly volumes: readonly string[]
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly stop_grace_period?: string
  readonly depends_on?: Record<string, { readonly condition: string }>
}

interface LintResult {
  readonly messages: readonly { readonly type: string; readonly message: string }[]
}

const composeText = readFileSync(join(example, 'container/compose.yaml'), 'utf8')
const dockerfile = readFileSync(join(example, 'container/Dockerfile'), 'utf8')
const image = imageOf(example)
const { restore, agent } = (
  parse(composeText, { merge: true }) as { services: Record<'restore' | 'agent', ComposeService> }
).services
const mounted = new Map(agent.volumes.map((volume) => [volume.split(':')[1]!, volume.split(':')[0]!]))
const environment = { ...image.environment, ...agent.environment }

test('a Dockerfile’s language server finds no fault with it', () => {
  expect(faultsOf(dockerfile)).toEqual([])
  expect(faultsOf(dockerfile.replace('WORKDIR', 'WORKDIRS'))).toEqual([expect.stringContaining('WORKDIRS')])
  expect(faultsOf(dockerfile.replace('--from=build', '--from='))).not.toEqual([])
})

test('the compose file follows the schema', () => {
  expect(composeFaultsOf(composeText)).toEqual([])
  expect(composeFaultsOf(composeText.replace('stop_grace_period', 'stop_grace'))[0]).toContain(
    'additional prop',
  )
})

test('ports, folders, times and images of the two fit one another and the agent', async () => {
  const { stopBudgetMs } = await import(pathToFileURL(join(example, 'dist/limits.js')).href)
  expect(agent.ports).toEqual([`127.0.0.1:${image.port}:${image.port}`])
  expect(environment['HEALTH_PORT']).toBe(String(image.port))
  expect(image.healthCheck.join(' ')).toContain(`:${image.port}/`)
  expect(image.volumes).toEqual([environment['STATE_DIR'], environment['BACKUP_DIR']])
  expect(new Set(mounted.keys())).toEqual(new Set([...image.volumes, environment['SETTINGS_FILE']]))
  expect(mounted.get(environment['STATE_DIR']!)).toBe('./restored')
  expect(join(example, 'container', mounted.get(environment['SETTINGS_FILE']!)!)).toBe(
    join(example, 'settings.yaml'),
  )
  expect(Number.parseInt(agent.stop_grace_period!, 10) * 1_000).toBeGreaterThan(stopBudgetMs)
  expect(agent.depends_on).toEqual({ restore: { condition: 'service_completed_successfully' } })
  expect([restore.image, restore.environment, restore.volumes]).toEqual([
    agent.image,
    agent.environment,
    agent.volumes,
  ])
})

/** Packing copies every package: it has a time of its own. */
let application: ReturnType<typeof pack> | undefined
beforeAll(() => {
  application = pack()
}, 180_000)
afterAll(() => application?.[Symbol.asyncDispose]())

test('what the image would hold starts, is healthy, and goes on where a wrecked one was backed up', async () => {
  await using site = await createSite(application!.path)
  for (const folder of image.volumes) mkdirSync(site.place(folder), { recursive: true })
  set(site, 'before')
  const cutOff = { ...environment, COLLECTOR_URL: 'http://127.0.0.1:9/none', BACKUP_CRON: '* * * * * *' }
  const wrecked = watchPod(site.port)
  const first = site.start(image.command, cutOff, image.workingFolder)
  await wrecked.until('200 200 200')
  await untilBackedUp(site)
  first.kill('SIGKILL')
  await wrecked.gone
  rmSync(site.place(environment['STATE_DIR']!), { recursive: true })
  mkdirSync(site.place(environment['STATE_DIR']!))

  const restored = await site.ended(site.start(restore.command!, environment, image.workingFolder))
  expect([restored.code, restored.log]).toEqual([0, expect.stringMatching(/^restored \d+ files/)])
  set(site, 'after')
  const pod = watchPod(site.port)
  const second = site.start(image.command, environment, image.workingFolder)
  await pod.until('200 200 200')
  await site.untilReceived('before')
  await site.untilReceived('after')
  const [program, ...given] = image.healthCheck.map((part) =>
    part.replace(`:${image.port}/`, `:${site.port}/`),
  )
  expect(spawnSync(site.place(program!), given).status).toBe(0)
  second.kill('SIGTERM')
  expect(await site.ended(second)).toMatchObject({ code: 0 })
  await pod.gone
  expect(spawnSync(site.place(program!), given).status).toBe(1)
}, 60_000)

function faultsOf(text: string): string[] {
  return validate(text).map(({ message }) => String(message))
}

function composeFaultsOf(text: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-compose-'))
  try {
    writeFileSync(join(folder, 'compose.yaml'), text)
    const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] })
    const results: readonly LintResult[] = linter.lintFiles([join(folder, 'compose.yaml')], false)
    return results.flatMap(({ messages }) =>
      messages.filter(({ type }) => type === 'error').map(({ message }) => message),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Runs the Dockerfile's own build here, with a temporary folder for the image's /app. */
function pack(): AsyncDisposable & { path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-image-'))
  const path = join(folder, 'app')
  for (const command of image.build) {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command.replace(/\/app$/, path)], {
      cwd: root,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`${command} ended with ${status}: ${stdout}${stderr}`)
  }
  return { path, [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }) }
}

function set(site: Site, name: string): void {
  const file = site.place(environment['SETTINGS_FILE']!)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `site: ${name}\nsampleMs: 100\n`)
}

/** Waits for readings in the queue, then for a backup that began after they were there. */
async function untilBackedUp(site: Site): Promise<void> {
  while ((await metric(site, 'queue_ready_messages')) === 0) await pause(50)
  const before = await metric(site, 'snapshot_backups_total')
  while ((await metric(site, 'snapshot_backups_total')) < before + 2) await pause(50)
}

async function metric(site: Site, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${site.port}/metrics`)).text()
  return Number(new RegExp(`^${name}\\{[^}]*\\} (.+)$`, 'm').exec(text)?.[1] ?? 0)
}
