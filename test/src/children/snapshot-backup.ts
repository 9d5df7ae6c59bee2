// node snapshot-backup.js REPOSITORY SOURCE: backs up again and again until it is killed, a line after each.
import { directory, folderStore, openRepository } from '@holdfast/snapshot'

const [path, source] = process.argv.slice(2) as [string, string]
const repository = await openRepository(folderStore(path), { graceMs: 3_600_000 })
console.log('open')
for (;;) {
  const { digest } = await repository.backup(directory(source), { name: 'n', forceRead: true })
  console.log(digest)
  await repository.forget({ keep: { last: 5 } })
  await repository.collect()
}
