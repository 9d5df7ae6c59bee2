import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap'
import type { IService } from 'kubernetes-models/v1/Service'
import { expect, test } from 'vitest'
import { watchPod } from '../health/kubelet.ts'
import { imageOf } from './image.ts'
import { faultsOf, parseManifests } from './manifests.ts'
import { createSite, example, type Site } from './site.ts'

const text = readFileSync(join(example, 'kubernetes/edge-agent.yaml'), 'utf8')
const [configMap, service, statefulSet] = parseManifests(text) as [IConfigMap, IService, IStatefulSet]
const { template, volumeClaimTemplates = [], serviceName } = statefulSet.spec!
const pod = template.spec!
const [agent] = pod.containers
const [restore] = pod.initContainers ?? []
const environment = Object.fromEntries(
  (agent?.env ?? []).map(({ name, value }) => [name, value ?? 'edge-agent-0']),
) as Record<string, string>
const probes = [agent?.startupProbe, agent?.readinessProbe, agent?.livenessProbe]
const mounts = agent?.volumeMounts ?? []

test('the API knows every field, and takes every value', () => {
  expect(faultsOf(text)).toEqual([])
})

test.each([
  ['periodSeconds: 10', 'periodSecond: 10', /livenessProbe\/periodSecond is not a field/],
  ['periodSeconds: 10', 'periodSeconds: ten', /periodSeconds must be integer/],
  ['storage: 2Gi', 'storage: two', /storage/],
  ['serviceName: edge-agent', 'serviceNames: edge-agent', /serviceName/],
  ['kind: Service', 'kind: Servise', /no model/],
])('would have found fault with %s written %s', (right, wrong, fault) => {
  expect(faultsOf(text.replace(right, wrong)).join('\n')).toMatch(fault)
})

test('what belongs together has one name: selectors, ports, volumes, images', () => {
  expect(statefulSet.spec?.selector.matchLabels).toEqual(template.metadata?.labels)
  expect(service.spec?.selector).toEqual(template.metadata?.labels)
  expect(service.metadata?.name).toBe(serviceName)
  const port = agent?.ports?.find(({ name }) => name === 'health')?.containerPort
  expect([environment['HEALTH_PORT'], service.metadata?.annotations?.['prometheus.io/port']]).toEqual(
    Array(2).fill(String(port)),
  )
  for (const probe of probes) expect(probe?.httpGet?.port).toBe('health')
  expect(service.spec?.ports).toMatchObject([{ port, targetPort: 'health' }])
  const volumes = [...(pod.volumes ?? []), ...volumeClaimTemplates.map(({ metadata }) => metadata)]
  expect(new Set(mounts.map(({ name }) => name))).toEqual(new Set(volumes.map((volume) => volume?.name)))
  expect(restore?.image).toBe(agent?.image)
  expect(restore?.env).toEqual(agent?.env)
})

test('state and backups lie on volumes that stay, the settings in the ConfigMap, mounted whole', () => {
  const claimed = mounts.filter(({ name }) =>
    volumeClaimTemplates.some(({ metadata }) => metadata?.name === name),
  )
  expect(claimed.map(({ mountPath }) => mountPath)).toEqual([
    environment['STATE_DIR'],
    environment['BACKUP_DIR'],
  ])
  expect(restore?.volumeMounts).toEqual(claimed)
  const settings = mounts.find(({ mountPath }) => mountPath === dirname(environment['SETTINGS_FILE'] ?? ''))
  expect(settings?.subPath).toBeUndefined()
  expect(pod.volumes).toEqual([{ name: settings?.name, configMap: { name: configMap.metadata?.name } }])
  expect(Object.keys(configMap.data ?? {})).toContain(basename(environment['SETTINGS_FILE'] ?? ''))
})

test('its times fit the agent: the grace period holds the whole stop, and nothing waits twice', async () => {
  const { stopBudgetMs } = await import(pathToFileURL(join(example, 'dist/limits.js')).href)
  expect(pod.terminationGracePeriodSeconds! * 1_000).toBeGreaterThan(stopBudgetMs)
  const { periodSeconds, failureThreshold } = agent!.readinessProbe!
  expect(Number(environment['DRAIN_DELAY_MS'])).toBeGreaterThanOrEqual(
    periodSeconds! * failureThreshold! * 1_000,
  )
  expect(agent?.lifecycle).toBeUndefined()
})

test('the pod’s commands start an agent that passes the very probes, follows the ConfigMap, and stops within them', async () => {
  await using site = await createSite()
  for (const { name, mountPath } of mounts)
    if (name !== 'settings') mkdirSync(site.place(mountPath), { recursive: true })
  mount(site, 1, configMap.data!)
  const { command, workingFolder } = imageOf(example)
  const asRun = { ...environment, DRAIN_DELAY_MS: '1500' }
  const restored = await site.ended(site.start(restore!.command!, asRun, workingFolder))
  expect(restored).toMatchObject({ code: 0 })

  const paths = probes.map((probe) => probe!.httpGet!.path!)
  const watched = watchPod(site.port, paths)
  const running = site.start(agent?.command ?? command, asRun, workingFolder)
  await watched.until('200 200 200')
  await site.untilReceived('reef-1')
  mount(site, 2, { 'settings.yaml': 'site: reef-2\nsampleMs: 100\n' })
  await site.untilReceived('reef-2')
  const metrics = await fetch(
    `http://127.0.0.1:${site.port}${service.metadata?.annotations?.['prometheus.io/path']}`,
  )
  expect(await metrics.text()).toContain('config_revision{source="config"} 2')

  running.kill('SIGTERM')
  await watched.until('200 503 200')
  expect(await site.ended(running)).toMatchObject({ code: 0 })
  await watched.gone
  expect(watched.turns[paths[2]!]).toEqual([200])
}, 60_000)

/** A ConfigMap as the kubelet mounts it: a folder for each version, and one link that turns from one to the next. */
function mount(site: Site, version: number, data: Record<string, string>): void {
  const folder = dirname(site.place(environment['SETTINGS_FILE']!))
  mkdirSync(join(folder, `..v${version}`), { recursive: true })
  for (const [key, value] of Object.entries(data)) writeFileSync(join(folder, `..v${version}`, key), value)
  symlinkSync(`..v${version}`, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  if (version === 1) for (const key of Object.keys(data)) symlinkSync(join('..data', key), join(folder, key))
}
