// An agent as a whole process: node agent-life.js MODE. Tells each phase on a line of its own.
import { createAgent } from '@holdfast/agent'

const mode = process.argv[2]
const hang = mode === 'hang'
const timer = setInterval(() => {}, 1_000)

const agent = createAgent({ intensity: { max: 0, perMs: 1_000 }, stopBudgetMs: 300 })
  .unit('disk', [], () => ({ [Symbol.asyncDispose]: async () => clearInterval(timer) }))
  .unit('worker', ['disk'], () => {
    if (mode === 'start') throw new Error('port taken')
    return {
      drain: async () => console.log('worker drained'),
      exited: mode === 'crash' ? Promise.reject(new Error('worker died')) : new Promise<void>(() => {}),
      [Symbol.asyncDispose]: () => (hang ? new Promise<void>(() => {}) : Promise.resolve()),
    }
  })
agent.on('stopped', ({ unit }) => console.log(`${unit} stopped`))
agent.on('abandoned', ({ unit }) => console.log(`${unit} abandoned`))
agent.on('agentStarted', () => console.log('up'))
await agent.run({ process })
console.log('done')
