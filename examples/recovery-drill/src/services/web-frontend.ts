import { ask, needs, serve } from './serve.ts'

// What users see: who they are, and how many orders there are.
const [auth = '', database = ''] = needs
await serve({
  healthy: async () => (await Promise.all([ask(`${auth}/health`), ask(`${database}/health`)])).length === 2,
  answer: async () => ({
    ...((await ask(`${auth}/`)) as object),
    ...((await ask(`${database}/orders`)) as object),
  }),
})
