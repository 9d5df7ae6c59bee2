import { checkFunction, type Stats } from '@holdfast/core'

/** Figures by the name of where they come from, which becomes the label `source`. */
export type StatsSources = Readonly<Record<string, () => Stats>>

export interface SourceFigures {
  readonly source: string
  readonly stats: Stats
}

/** Where the figures come from that a server shows. */
export interface Sources {
  /** All or none: a name that is taken throws before anything is added. The returned function removes them. */
  add(sources: StatsSources): () => void
  /** What each says now, in the order of adding. A source that throws is left out, and told of in `failed`. */
  read(): readonly SourceFigures[]
}

export function createSources(failed: (source: string, error: unknown) => void): Sources {
  const sources = new Map<string, () => Stats>()
  return { add, read: () => [...sources].flatMap(readOne) }

  function add(added: StatsSources): () => void {
    for (const [source, stats] of Object.entries(added)) {
      checkFunction(`stats.${source}`, stats)
      if (sources.has(source)) throw new TypeError(`stats.${source} must be unique, it is shown already`)
    }
    for (const [source, stats] of Object.entries(added)) sources.set(source, stats)
    return () => {
      for (const [source, stats] of Object.entries(added))
        if (sources.get(source) === stats) sources.delete(source)
    }
  }

  function readOne([source, stats]: [string, () => Stats]): SourceFigures[] {
    try {
      return [{ source, stats: stats() }]
    } catch (error) {
      failed(source, error)
      return []
    }
  }
}
