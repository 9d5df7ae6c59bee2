import { defineConfig } from 'vitest/config'

// No 'import' or 'default': Vite implies them, and workers would get them as --conditions, where they turn CommonJS's require() to ES modules.
const conditions = ['@holdfast/source', 'node', 'module']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'examples/*/src/**/*.test.ts',
      'test/src/**/*.test.ts',
      'bench/src/**/*.test.ts',
    ],
    passWithNoTests: false,
    // Much of the time is spent waiting on servers and processes, so more workers than vitest's cores - 1.
    maxWorkers: 3,
    testTimeout: process.env.HOLDFAST_DEEP ? 900_000 : 30_000,
    hookTimeout: 60_000,
  },
})
