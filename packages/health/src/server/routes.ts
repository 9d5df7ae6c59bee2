import type { CheckReport, Gate, Probe, Status } from '../check.ts'
import { gates } from '../check.ts'
import type { Health } from '../health.ts'
import { exposeSamples, type Sample } from './exposition.ts'
import { healthJson } from './health-json.ts'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

const text = 'text/plain; charset=utf-8'
const gateOf: Readonly<Record<string, Gate>> = {
  '/livez': 'live',
  '/readyz': 'ready',
  '/startupz': 'startup',
}

/** Answers a GET from memory, synchronously; `undefined` for a path that is not there. */
export function answer(
  url: string,
  health: Pick<Health, 'probe' | 'reports'>,
  samples: () => Sample[],
): Answer | undefined {
  const query = url.indexOf('?')
  const path = query < 0 ? url : url.slice(0, query)
  const gate = gateOf[path]
  const verbose = query >= 0 && new URLSearchParams(url.slice(query)).has('verbose')
  if (gate) return answerGate(health.probe(gate), verbose)
  if (path === '/healthz') return answerHealth(health, verbose)
  if (path === '/metrics')
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: exposeSamples(samples()) }
  return undefined
}

function answerGate(probe: Probe, verbose: boolean): Answer {
  const body = verbose ? describe(probe) : `${probe.ok ? 'ok' : probe.status}\n`
  return { status: codeOf(probe.ok), type: text, body }
}

function answerHealth(health: Pick<Health, 'probe' | 'reports'>, verbose: boolean): Answer {
  const probes = gates.map((gate) => health.probe(gate))
  return {
    status: codeOf(probes.every(({ ok }) => ok)),
    type: 'application/health+json',
    body: healthJson(probes, verbose ? health.reports() : undefined),
  }
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
