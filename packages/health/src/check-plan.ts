import { checkFunction, checkInteger, checkNumber, checkOneOf, checkString } from '@holdfast/core'
import { type Check, gates } from './check.ts'

/** A check whose options were checked and filled in; nothing of it is shared with the caller but `run`. */
export interface CheckPlan extends Required<Omit<Check, 'scope'>> {}

/** Checks every option at the door; the first bad one throws a TypeError or RangeError that names it. */
export function planCheck(check: Check): CheckPlan {
  const name = checkName(check.name)
  const option = (key: keyof Check): string => `check '${name}': ${key}`
  const { intervalMs = 10_000, timeoutMs = 5_000, passAfter = 1, failAfter = 3, soft = false } = check
  checkNumber(option('intervalMs'), intervalMs, { min: 1 })
  checkNumber(option('timeoutMs'), timeoutMs, { min: 1 })
  const plan: CheckPlan = {
    name,
    intervalMs,
    timeoutMs,
    soft,
    run: checkFunction(option('run'), check.run).bind(check),
    staleAfterMs: checkNumber(option('staleAfterMs'), check.staleAfterMs ?? 2 * intervalMs + timeoutMs, {
      min: intervalMs + timeoutMs,
    }),
    passAfter: checkInteger(option('passAfter'), passAfter, { min: 1 }),
    failAfter: checkInteger(option('failAfter'), failAfter, { min: 1 }),
    gates: [...new Set((check.gates ?? ['ready']).map((gate) => checkOneOf(option('gates'), gate, gates)))],
    needs: [...new Set((check.needs ?? []).map((need) => checkString(option('needs'), need)))],
  }
  checkLive(plan, checkOneOf(option('scope'), check.scope ?? 'outside', ['process', 'outside']))
  return plan
}

/** A restart heals only what is wrong in this very process. */
function checkLive({ name, gates, needs }: CheckPlan, scope: 'process' | 'outside'): void {
  if (!gates.includes('live')) return
  const refusal = `check '${name}': gates may not hold 'live'`
  if (scope === 'outside')
    throw new TypeError(
      `${refusal} for a check that looks outside the process: a restart would not heal what is wrong there. Say scope: 'process' if it does not`,
    )
  if (needs.length > 0)
    throw new TypeError(
      `${refusal} for a check with needs: being blocked by another is no reason for a restart`,
    )
}

function checkName(value: unknown): string {
  const name = checkString('check.name', value)
  if (name.length <= 128 && !/\p{Cc}/u.test(name)) return name
  throw new RangeError(
    `check.name must have at most 128 characters and no control characters, got ${JSON.stringify(name.slice(0, 80))}`,
  )
}

/** Throws a TypeError that names the ring, if the needs of these checks run in one. */
export function refuseCycles(plans: Iterable<CheckPlan>): void {
  const needsOf = new Map([...plans].map(({ name, needs }) => [name, needs]))
  const settled = new Set<string>()
  for (const name of needsOf.keys()) visit(name, [])

  function visit(name: string, path: readonly string[]): void {
    if (path.includes(name))
      throw new TypeError(
        `needs must not run in a ring: ${[...path.slice(path.indexOf(name)), name].join(' → ')}`,
      )
    if (settled.has(name)) return
    for (const need of needsOf.get(name) ?? []) visit(need, [...path, name])
    settled.add(name)
  }
}

/** Throws a TypeError that names a need which no check answers to. */
export function refuseUnknownNeeds(added: readonly CheckPlan[], known: ReadonlySet<string>): void {
  for (const { name, needs } of added)
    for (const need of needs)
      if (!known.has(need)) throw new TypeError(`check '${name}': needs must name a check, got '${need}'`)
}
