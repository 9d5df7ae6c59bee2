/** A config of the usual size; `limit` and its copy tell a torn value. */
export interface Settings {
  limit: number
  upstream: { url: string; headers: Record<string, string> }
  copyOfLimit: number
}

export function documentOf(limit: number): Settings {
  const headers = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`x-header-${index}`, 'value']))
  return { limit, upstream: { url: 'https://a.example', headers }, copyOfLimit: limit }
}

/** A Standard Schema that does the least, so that the config is measured and not a library. */
export const schema = {
  '~standard': {
    version: 1,
    vendor: 'bench',
    types: undefined as { input: unknown; output: Settings } | undefined,
    validate: (value: unknown) =>
      typeof (value as Settings).limit === 'number'
        ? { value: value as Settings }
        : { issues: [{ message: 'must be a number', path: ['limit'] }] },
  },
} as const

export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
