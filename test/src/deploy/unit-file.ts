/** A systemd unit as far as a test reads it: each key's values in order, `Section.Key` as its name. */
export type Unit = ReadonlyMap<string, readonly string[]>

export function parseUnit(text: string): Unit {
  const unit = new Map<string, string[]>()
  let section = ''
  for (const line of text.split('\n')) {
    const header = /^\[(\w+)\]$/.exec(line)
    if (header) section = header[1]!
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (key !== undefined) unit.set(`${section}.${key}`, [...(unit.get(`${section}.${key}`) ?? []), value!])
  }
  return unit
}

/** The one value of a key. Throws where it has none or several. */
export function only(unit: Unit, key: string): string {
  const values = unit.get(key) ?? []
  if (values.length !== 1) throw new Error(`${key} has ${values.length} values`)
  return values[0]!
}

/** `NAME=value` lines, as in EnvironmentFile= and Environment=, with %S as systemd reads it for a system unit. */
export function environmentOf(lines: readonly string[]): Record<string, string> {
  const pairs = lines.filter((line) => /^\w+=/.test(line)).map((line) => line.split(/=(.*)/s, 2))
  return Object.fromEntries(pairs.map(([name, value]) => [name, value!.replaceAll('%S', '/var/lib')]))
}
