import { ask, needs, serve } from './serve.ts'

// Knows its users by the database: it works when that does.
const [database = ''] = needs
await serve({
  healthy: async () => (await ask(`${database}/health`)) !== undefined,
  answer: async () => ({ user: 'marie', orders: await ask(`${database}/orders`) }),
})
