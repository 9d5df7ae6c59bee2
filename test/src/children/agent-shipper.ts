// An agent that ships what it accepts: node agent-shipper.js FOLDER COLLECTOR_URL [MESSAGES]
// Writes its pid to FOLDER/pid, and each message to FOLDER/accepted once the queue has it.
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAgent } from '@holdfast/agent'
import { openQueue, type Queue } from '@holdfast/queue'
import { startUplink } from '@holdfast/uplink'

const atOnce = 10
const [folder = '', url = '', messages = 'Infinity'] = process.argv.slice(2)
writeFileSync(join(folder, 'pid'), String(process.pid))
process.stdin.once('end', () => process.exit(1)).resume() // the test has died
process.stdin.unref()

const agent = createAgent({ stopBudgetMs: 4_000 })
  .unit('queue', [], () => openQueue<string>(join(folder, 'queue')))
  .unit('uplink', ['queue'], ({ queue }) => startUplink({ queue, url, compression: 'none' }), {
    stopTimeoutMs: 800,
  })
  .unit('work', ['queue', 'uplink'], ({ queue }) => startWork(queue))
agent.on('abandoned', ({ unit, phase }) => console.log(`abandoned the ${phase} of ${unit}`))
agent.on('agentStopped', () => console.log('stopped'))
await agent.run({ process })

/** Accepts messages, some at once; the ledger tells which. */
function startWork(queue: Queue<string>) {
  const stop = new AbortController()
  const working = work()
  return { exited: working, drain: end, [Symbol.asyncDispose]: end }

  async function work(): Promise<void> {
    for (let n = 1; n <= Number(messages) && !stop.signal.aborted; n += atOnce) {
      const some = Array.from({ length: atOnce }, (_, index) => `${process.pid}-${n + index}`)
      await Promise.all(some.map((message) => queue.enqueue(message)))
      appendFileSync(join(folder, 'accepted'), some.map((message) => `${message}\n`).join(''))
      await sleep(1)
    }
    if (stop.signal.aborted) return
    console.log('all accepted')
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
  }

  async function end(): Promise<void> {
    stop.abort()
    await working
  }
}
