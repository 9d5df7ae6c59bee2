import { createMemoryStore } from '@holdfast/coordination'
import { systemClock } from '@holdfast/core'
import { tellStory } from './story.ts'

const store = createMemoryStore()
await tellStory({ store, clock: systemClock, random: Math.random, say: (line) => console.log(line) })
await store.close()
