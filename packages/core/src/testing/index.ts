export { createFakeClock, type FakeClock, type FakeClockOptions } from './fake-clock.ts'
export { createSeededRandom } from './random.ts'
