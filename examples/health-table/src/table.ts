import { type Check, type CheckOptions, httpCheck } from '@holdfast/health'
import { parse } from 'yaml'

/** One row: what to ask, and which answer in which time is well. */
export interface Row {
  readonly service: string
  readonly endpoint: string
  readonly expectedStatus: number | readonly number[]
  /** `500ms` or `5s`. */
  readonly timeout: string
  /** Whether the process can do without. @default false */
  readonly soft?: boolean
}

/** Reads a table of services. What is wrong in it is said with the number of its row. */
export function readTable(text: string): Row[] {
  const rows: unknown = parse(text)?.services
  if (!Array.isArray(rows)) throw new TypeError('the table must have a list named services')
  return rows.map((row, at) => checkRow(row, `row ${at + 1}`))
}

/** Makes the table's checks; `rules` hold for all of them. */
export function checksOf(rows: readonly Row[], rules: CheckOptions = {}): Check[] {
  return rows.map(({ service, endpoint, expectedStatus, timeout, soft = false }) =>
    httpCheck({
      ...rules,
      name: service,
      url: endpoint,
      expect: expectedStatus,
      timeoutMs: milliseconds(timeout),
      soft,
    }),
  )
}

const columns = ['service', 'endpoint', 'expectedStatus', 'timeout', 'soft']

function checkRow(row: unknown, where: string): Row {
  if (typeof row !== 'object' || row === null) throw new TypeError(`${where} must hold ${columns.join(', ')}`)
  const unknown = Object.keys(row).find((column) => !columns.includes(column))
  if (unknown !== undefined)
    throw new TypeError(`${where} has no column '${unknown}', only ${columns.join(', ')}`)
  const missing = columns.slice(0, 4).find((column) => !(column in row))
  if (missing !== undefined) throw new TypeError(`${where} lacks ${missing}`)
  if (!/^\d+(ms|s)$/.test(String((row as Row).timeout)))
    throw new TypeError(`${where}: timeout must be like 500ms or 5s`)
  return row as Row
}

function milliseconds(timeout: string): number {
  return Number.parseInt(timeout, 10) * (timeout.endsWith('ms') ? 1 : 1_000)
}
