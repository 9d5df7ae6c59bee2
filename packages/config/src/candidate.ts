import { isHoldfastError, withTimeout } from '@holdfast/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Document, hashOf, thaw } from './document.ts'
import { configError } from './errors.ts'
import { deepFreeze, freezeDocument } from './freeze.ts'
import type { Layer } from './layers.ts'
import { mergeDocuments } from './merge.ts'
import type { Settings } from './options.ts'
import { showPath } from './path.ts'
import type { Secrets } from './redact.ts'

/** Layers and what they merge to: not validated yet. */
export interface Candidate {
  readonly hash: string
  readonly document: Document
  readonly layers: readonly Layer[]
}

/** A candidate that the schema accepted. */
export interface Valid extends Candidate {
  /** The schema's output, deeply frozen. */
  readonly value: unknown
}

export function candidateOf(layers: readonly Layer[]): Candidate {
  const document = freezeDocument(
    mergeDocuments(layers.flatMap(({ document }) => (document ? [document] : []))),
  )
  return { hash: hashOf(document), document, layers }
}

/** Rejects with `CONFIG_INVALID`, which says which path is wrong and why, secrets redacted; a schema that throws or does not answer counts as refusing. */
export async function validate(
  candidate: Candidate,
  settings: Settings,
  secrets: Secrets,
  signal: AbortSignal,
): Promise<Valid> {
  for (const { document } of [candidate, ...candidate.layers]) if (document) secrets.learn(document)
  try {
    const result = await answerOf(candidate, settings, signal)
    if (result.issues) throw invalid(result.issues, candidate, secrets)
    secrets.learn(result.value) // a schema may have trimmed or decoded what is secret
    return { ...candidate, value: deepFreeze(result.value) }
  } catch (cause) {
    signal.throwIfAborted()
    if (isHoldfastError(cause, 'CONFIG_INVALID')) throw cause
    const problem = secrets.redactText(cause instanceof Error ? cause.message : String(cause))
    throw configError('CONFIG_INVALID', `the schema failed on this config: ${problem}`, {
      cause: secrets.redactError(cause),
      fields: { hash: candidate.hash },
    })
  }
}

async function answerOf(
  { document }: Candidate,
  { schema, openTimeoutMs: timeoutMs, clock }: Settings,
  signal: AbortSignal,
): Promise<StandardSchemaV1.Result<unknown>> {
  // A copy, because a schema may change what it is given.
  const answer = schema['~standard'].validate(thaw(document))
  if (!(answer instanceof Promise)) return answer
  const onTimeout = (): Error => new Error(`no answer in ${timeoutMs} ms`)
  return withTimeout(() => answer, { timeoutMs, onTimeout, signal, clock })
}

function invalid(issues: readonly StandardSchemaV1.Issue[], candidate: Candidate, secrets: Secrets): Error {
  const shown = issues.map((issue) => ({
    path: showPath(secrets.cutPath((issue.path ?? []).map(keyOf))),
    message: secrets.redactText(issue.message),
  }))
  const sources = candidate.layers.filter((layer) => layer.document).map((layer) => layer.source)
  return configError(
    'CONFIG_INVALID',
    `the config of ${sources.join(', ')} is invalid: ${shown.map(({ path, message }) => `${path}: ${message}`).join('; ')}`,
    { fields: { issues: shown, sources, hash: candidate.hash } },
  )
}

function keyOf(part: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof part === 'object' ? part.key : part)
}
