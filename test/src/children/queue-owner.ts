import { openQueue } from '@holdfast/queue'

// Owns a queue until it is killed, or says why it cannot.
try {
  await openQueue(process.argv[2]!, { ballastBytes: 0 })
  console.log('open')
  setInterval(() => undefined, 1_000)
} catch (error) {
  console.log((error as { code: string }).code)
}
