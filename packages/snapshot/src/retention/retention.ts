import { checkInteger } from '@holdfast/core'
import type { Ref } from '../format/layout.ts'

/** Which snapshots of one name to keep: a snapshot stays if any of the rules says so. */
export interface RetentionPolicy {
  /** The newest so many. */
  last?: number
  /** The newest of each of so many hours that have one; and so on. */
  hourly?: number
  daily?: number
  /** By ISO 8601: from Monday. */
  weekly?: number
  monthly?: number
  yearly?: number
  /** All that are younger than this, counted from the newest of the name: `90d`, `36h`, `30m`, `2w`. */
  within?: string
  /** The newest of each hour, day and so on, of those younger than this. */
  withinHourly?: string
  withinDaily?: string
  withinWeekly?: string
  withinMonthly?: string
  withinYearly?: string
}

const periods = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
type Period = (typeof periods)[number]

/** One of the policy's rules: keeps a snapshot of each bucket until the limit, in number or age, is reached. */
interface Rule {
  readonly bucketOf: (timeMs: number) => string
  left: number
  readonly youngerThanMs: number
  last: string | undefined
}

/**
 * Chooses what to keep of one name's snapshots. Pure.
 *
 * Hours are hours of Unix time, so that the hour which comes twice when clocks go back is
 * two, and no day is too short or long for them; days and longer are those of the
 * time zone's calendar. Who is kept does not depend on when it is asked: ages count from
 * the newest snapshot, so a host that was off for a year keeps what it had.
 */
export function selectKept(
  refs: readonly Pick<Ref, 'timeMs'>[],
  policy: RetentionPolicy,
  timeZone: string,
): boolean[] {
  const rules = rulesOf(policy, timeZone)
  const newest = Math.max(...refs.map(({ timeMs }) => timeMs))
  const order = [...refs.keys()].sort((a, b) => refs[b]!.timeMs - refs[a]!.timeMs || b - a)
  const kept = refs.map(() => false)
  for (const at of order) {
    const timeMs = refs[at]!.timeMs
    for (const rule of rules) if (keeps(rule, timeMs, newest - timeMs)) kept[at] = true
  }
  return kept
}

/** Refuses a policy with an unknown, wrong, or no rule at all with a TypeError or RangeError. */
export function checkPolicy(option: string, policy: RetentionPolicy): RetentionPolicy {
  if (typeof policy !== 'object' || policy === null)
    throw new TypeError(`${option} must be an object of rules`)
  const given = Object.entries(policy).filter(([, value]) => value !== undefined)
  if (given.length === 0)
    throw new RangeError(`${option} must have at least one rule: an empty one would forget everything`)
  for (const [rule, value] of given) {
    if (rule === 'last' || periods.includes(rule as Period))
      checkInteger(`${option}.${rule}`, value, { min: 0 })
    else if (/^within(Hourly|Daily|Weekly|Monthly|Yearly)?$/.test(rule))
      durationMs(`${option}.${rule}`, value)
    else throw new TypeError(`${option}.${rule} is no rule`)
  }
  return policy
}

export function checkTimeZone(timeZone: string): string {
  bucketer('daily', timeZone)(0) // Throws a RangeError for a zone that there is not.
  return timeZone
}

function keeps(rule: Rule, timeMs: number, ageMs: number): boolean {
  const bucket = rule.bucketOf(timeMs)
  if (rule.left <= 0 || ageMs >= rule.youngerThanMs || bucket === rule.last) return false
  rule.last = bucket
  rule.left -= 1
  return true
}

function rulesOf(policy: RetentionPolicy, timeZone: string): Rule[] {
  const rules: Rule[] = []
  let unique = 0
  const each = (): string => String(unique++)
  if (policy.last !== undefined) add(each, policy.last, undefined)
  if (policy.within !== undefined) add(each, undefined, policy.within)
  for (const period of periods) {
    const within = policy[`within${period[0]!.toUpperCase()}${period.slice(1)}` as 'withinDaily']
    if (policy[period] !== undefined) add(bucketer(period, timeZone), policy[period], undefined)
    if (within !== undefined) add(bucketer(period, timeZone), undefined, within)
  }
  return rules

  function add(
    bucketOf: Rule['bucketOf'],
    left = Number.POSITIVE_INFINITY,
    within: string | undefined,
  ): void {
    const youngerThanMs = within === undefined ? Number.POSITIVE_INFINITY : durationMs('within', within)
    rules.push({ bucketOf, left, youngerThanMs, last: undefined })
  }
}

function bucketer(period: Period, timeZone: string): (timeMs: number) => string {
  if (period === 'hourly') return (timeMs) => String(Math.floor(timeMs / 3_600_000))
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  })
  return (timeMs) => {
    const day = format.format(timeMs) // 2026-03-29
    if (period === 'daily') return day
    if (period === 'monthly') return day.slice(0, 7)
    return period === 'yearly' ? day.slice(0, 4) : String(Math.floor((Date.parse(day) / 86_400_000 + 3) / 7))
  }
}

const unitMs: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
}

function durationMs(option: string, value: unknown): number {
  const found = /^(\d{1,6})([mhdwy])$/.exec(String(value))
  if (!found)
    throw new RangeError(
      `${option} must be a number and m, h, d, w or y, such as '90d', got ${String(value)}`,
    )
  return Number(found[1]) * unitMs[found[2]!]!
}
