// node level-writer.js PATH: writes to a LevelDB until it is killed, from where the last one was, and says up to where every write was acknowledged.
import { Level } from 'level'

const db = new Level<string, string>(process.argv[2]!, { writeBufferSize: 256 << 10 })
await db.open()
const filler = 'x'.repeat(1_500)
for (let n = Number((await db.get('n')) ?? 0) + 1; ; n += 1) {
  // Two keys that must always fit together, and one of many, so that tables are merged and deleted all the time.
  await db.batch([
    { type: 'put', key: 'n', value: String(n) },
    { type: 'put', key: 'twice', value: String(2 * n) },
    { type: 'put', key: `key-${n % 2_000}`, value: `${n} ${filler}` },
  ])
  if (n % 20 === 0) console.log(n)
}
