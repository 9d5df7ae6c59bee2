import { type CheckReport, type Gate, gates, type Probe, type Status } from '../check.ts'
import type { Health } from '../health.ts'
import { type Answer, makeAnswer, plainText } from './answer.ts'
import { exposeSamples, type Sample } from './exposition.ts'
import { healthJson } from './health-json.ts'
import { statusPage, statusPagePolicy } from './page/page.ts'

const gateOf: ReadonlyMap<string, Gate> = new Map([
  ['/livez', 'live'],
  ['/readyz', 'ready'],
  ['/startupz', 'startup'],
])
const open = makeAnswer(200, plainText, 'ok\n')
const page = makeAnswer(
  200,
  'text/html; charset=utf-8',
  statusPage,
  'content-security-policy',
  statusPagePolicy,
)
const nosniff = ['x-content-type-options', 'nosniff']

/** What the routes read. */
export type Readable = Pick<Health, 'probe' | 'isOpen' | 'reports' | 'stats'>

/** Answers a GET from memory, synchronously; `undefined` for a path that is not there. */
export function answer(url: string, health: Readable, samples: () => Sample[]): Answer | undefined {
  const query = url.indexOf('?')
  const path = query < 0 ? url : url.slice(0, query)
  const verbose = query >= 0 && new URLSearchParams(url.slice(query)).has('verbose')
  const gate = gateOf.get(path)
  if (gate) return verbose ? answerVerbosely(health.probe(gate)) : answerGate(gate, health)
  if (path === '/healthz') return answerHealth(health, verbose)
  if (path === '/metrics')
    return makeAnswer(200, 'text/plain; version=0.0.4; charset=utf-8', exposeSamples(samples()), ...nosniff)
  return path === '/' ? page : undefined
}

function answerGate(gate: Gate, health: Readable): Answer {
  return health.isOpen(gate) ? open : makeAnswer(503, plainText, `${health.probe(gate).status}\n`)
}

function answerVerbosely(probe: Probe): Answer {
  return makeAnswer(codeOf(probe.ok), plainText, describe(probe), ...nosniff)
}

function answerHealth(health: Readable, verbose: boolean): Answer {
  const probes = gates.map((gate) => health.probe(gate))
  const body = healthJson(probes, verbose ? health.reports() : undefined)
  return makeAnswer(codeOf(probes.every(({ ok }) => ok)), 'application/health+json', body, ...nosniff)
}

const signs: Readonly<Record<Status, string>> = { pass: '+', warn: '!', fail: '-', unknown: '?' }

/** A line for each check, as Kubernetes' own API server writes them. */
function describe({ gate, ok, status, why, checks }: Probe): string {
  const lines = checks.map(checkLine)
  return [...lines, ...why.map((line) => `${gate}: ${line}`), `${gate}: ${ok ? 'ok' : status}`, ''].join('\n')
}

function checkLine({ name, status, blockedBy, output }: CheckReport): string {
  const blocked = blockedBy.length > 0 ? `, blocked by ${blockedBy.join(', ')}` : ''
  return `[${signs[status]}] ${name} ${status}${blocked}${output === undefined ? '' : `: ${output}`}`
}

function codeOf(ok: boolean): number {
  return ok ? 200 : 503
}
