import { checkString } from '@holdfast/core'

/** What of a snapshot is wanted. */
export interface Selection {
  has(path: string): boolean
  /** Whether something below a folder may be wanted. */
  below(folder: string): boolean
}

/** Of paths such as `config/agent.yaml`, a folder's with all below it; of everything where there are none. */
export function selection(include: readonly string[] | undefined): Selection {
  if (!include) return { has: () => true, below: () => true }
  const wanted = include.map((path) => checkString('include', path).replace(/^\.?\/+|\/+$/g, ''))
  const has = (path: string): boolean => wanted.some((one) => path === one || path.startsWith(`${one}/`))
  return { has, below: (folder) => has(folder) || wanted.some((one) => one.startsWith(`${folder}/`)) }
}
