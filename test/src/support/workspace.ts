import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder, whether this runs from the sources or from dist. */
export const root: string = fileURLToPath(new URL('../../..', import.meta.url))

/** Names of all packages, `core` first as the alphabet would not have it. */
export const packageNames: readonly string[] = readdirSync(join(root, 'packages')).sort()
