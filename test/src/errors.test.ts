import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageNames, root } from './support/workspace.ts'

type Codes = Record<string, string>

const documented = documentedCodes(readFileSync(join(root, 'docs/errors.md'), 'utf8'))

for (const name of packageNames) {
  const file = join(root, 'packages', name, 'src/errors.ts')
  if (name === 'core' || !existsSync(file)) continue
  test(`docs/errors.md lists the codes of ${name}`, async () => {
    const exported: Record<string, unknown> = await import(file)
    const codes = Object.values(exported).flatMap((value) =>
      Object.entries((value as { codes?: Codes }).codes ?? {}),
    )
    expect(codes.length).toBeGreaterThan(0)
    expect(documented[name] ?? {}).toEqual(Object.fromEntries(codes))
  })
}

/** Reads `## @holdfast/NAME` sections with rows `| CODE | yes or no | … |`. */
function documentedCodes(markdown: string): Record<string, Codes> {
  const sections = markdown.split(/^## /m).slice(1)
  return Object.fromEntries(
    sections.map((section) => [/^@holdfast\/(\w+)/.exec(section)?.[1] ?? '', rows(section)]),
  )
}

function rows(section: string): Codes {
  const found = section.matchAll(/^\| `?([A-Z0-9_]+)`? +\| *(yes|no)\b/gm)
  return Object.fromEntries(
    [...found].map(([, code, again]) => [code, again === 'yes' ? 'retryable' : 'permanent']),
  )
}
