import { openEtcdStore } from '@holdfast/etcd'

// Opens a store on the endpoint, uses all of it, does what it is told, and must then end by itself.
const [endpoint, how] = process.argv.slice(2)
const store = await openEtcdStore({ endpoints: [endpoint!], requestTimeoutMs: 2_000 })
const { leaseId } = await store.grantLease(60_000)
await store.keepAlive(leaseId)
const watch = await store.watch({ prefix: '' })
const reading = watch[Symbol.asyncIterator]().next()
reading.catch(() => undefined)

if (how === 'in-flight') {
  const calls = [store.range({ key: 'a' }), store.grantLease(5_000), store.watch({ prefix: '' })]
  const outcomes = Promise.all(
    calls.map((call) =>
      call.then(
        () => 'done',
        (error) => error.code,
      ),
    ),
  )
  await store.close()
  console.log(JSON.stringify(await outcomes))
}
if (how === 'frozen') {
  // The test stops etcd now, and we close while a call waits for it.
  console.log('ready')
  await new Promise((resolve) => process.stdin.once('data', resolve))
  process.stdin.pause()
  const call = store.range({ key: 'a' }).catch((error) => error.code)
  setTimeout(() => store.close(), 50)
  console.log(await call)
}
await store.close()
console.log(await reading.catch((error) => error.code))
