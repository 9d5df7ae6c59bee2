import { join } from 'node:path'
import { type Load, perSecond } from './ours.ts'
import { load } from './packages.ts'

interface Statement {
  run(...values: unknown[]): void
  all(...values: unknown[]): { id: number; payload: Uint8Array }[]
}
interface Database {
  pragma(text: string): void
  exec(text: string): void
  prepare(text: string): Statement
  transaction<A extends unknown[]>(work: (...args: A) => void): (...args: A) => void
  close(): void
}

/** Transactions of as many messages as ours has callers. */
export async function sqliteEnqueue(folder: string, work: Load): Promise<number> {
  const database = openSqlite(folder, work.mode)
  const speed = await perSecond(work.count, async () => insert(database, work))
  database.close()
  return speed
}

/** Reads as many as ours takes at once, in order, and deletes them in one transaction; who has what is kept in memory, as with ours. */
export async function sqliteTakeAll(folder: string, work: Load): Promise<number> {
  const first = openSqlite(folder, 'os')
  insert(first, { ...work, callers: 1_024 })
  first.close()
  const database = openSqlite(folder, work.mode)
  const select = database.prepare('SELECT id, payload FROM messages WHERE id > ? ORDER BY id LIMIT ?')
  const remove = database.prepare('DELETE FROM messages WHERE id = ?')
  const removeAll = database.transaction((rows: readonly { id: number }[]) => {
    for (const { id } of rows) remove.run(id)
  })
  const speed = await perSecond(work.count, async () => {
    for (let last = 0; ; ) {
      const rows = select.all(last, work.callers)
      if (rows.length === 0) return
      removeAll(rows)
      last = rows.at(-1)!.id
    }
  })
  database.close()
  return speed
}

function insert(database: Database, { callers, count, bytes }: Load): void {
  const add = database.prepare('INSERT INTO messages (payload) VALUES (?)')
  const addAll = database.transaction((size: number) => {
    for (let index = 0; index < size; index++) add.run(bytes)
  })
  for (let done = 0; done < count; done += callers) addAll(Math.min(callers, count - done))
}

function openSqlite(folder: string, mode: Load['mode']): Database {
  const Sqlite = load<new (path: string) => Database>('better-sqlite3')
  const database = new Sqlite(join(folder, 'sqlite'))
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${mode === 'fsync' ? 'FULL' : 'NORMAL'}`)
  database.exec('CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, payload BLOB)')
  return database
}
