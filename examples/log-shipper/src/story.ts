import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@holdfast/queue'
import { startApplication } from './application.ts'
import { auditLines, type LineAudit, sha256, uploadsOfSize, writeNoise } from './audit.ts'
import { startCollector } from './collector.ts'
import { count, type Display, megabytes, progressLine } from './display.ts'
import type { LogLine } from './shipper.ts'
import { createShipperHost } from './shipper-host.ts'
import { until } from './wait.ts'

/** What a run came to. Every figure was counted at the collector, on the disk, or at the process's end. */
export interface Outcome extends LineAudit {
  redelivered: number
  /** What the collector answered to the line that it refused. */
  refusal: string
  requests: number
  wireBytes: number
  textBytes: number
  peak: number
  linesPerSecond: number
  fileBytes: number
  /** Whether the collector has the large file once, and it is the same by SHA-256. */
  fileIntact: boolean
  /** Bytes of it that came over the line more than once. */
  resentBytes: number
  resumedAfterCut: number
  resumedAfterKill: number
  crashes: number
  cleanStops: number
}

const linesPerSecond = 2_000
const fileBytes = 64 * 2 ** 20

/** A day of a log shipper, with everything going wrong that does. @param folder an empty one, for everything that the run writes */
export async function tellStory(folder: string, display: Display): Promise<Outcome> {
  const files = {
    log: join(folder, 'app.log'),
    outbox: join(folder, 'outbox'),
    received: join(folder, 'received'),
    dump: join(folder, 'heap.dump'),
    state: join(folder, 'state'),
  }
  const done = { resumedAfterCut: 0, resumedAfterKill: 0, crashes: 0, cleanStops: 0 }
  await mkdir(files.outbox)
  await writeNoise(files.dump, fileBytes)
  const digest = await sha256(files.dump)
  await using collector = await startCollector(files.received)
  const application = startApplication(files.log)
  const shipper = createShipperHost(
    {
      logFile: files.log,
      outbox: files.outbox,
      stateFolder: files.state,
      collector: collector.url,
      linesPerSecond,
      uploadBytesPerSecond: 12e6,
    },
    join(folder, 'shipper.log'),
  )
  const showing = setInterval(() => shipper.progress && display.live(progressLine(shipper.progress)), 100)
  try {
    await start()
    await rotate()
    await refuse()
    await breakDown()
    await peak()
    await uploadWithCut()
    await killInTheMiddle()
    await finish()
  } finally {
    clearInterval(showing)
    await application.close()
    await shipper.kill()
  }
  return await account()

  async function start(): Promise<void> {
    const { pid } = await shipper.start()
    await arrived(1_000)
    display.say(`ship          process ${pid}; the first ${count(received())} lines are at the collector`)
  }

  async function rotate(): Promise<void> {
    await application.rotate()
    await application.rotate()
    await caughtUp()
    // What a copying rotation cuts off unread is lost; this one waits until all is read.
    await application.copyAndTruncate(caughtUp)
    await caughtUp()
    display.say('rotate        twice by renaming, once by copying and truncating; the lines go on')
  }

  async function refuse(): Promise<void> {
    await application.blunder(10_000)
    await until(() => shipper.progress?.dead === 1, 'the line is in the dead letter')
    display.say('refuse        a line of 10,000 characters: to the dead letter, its neighbours are accepted')
  }

  async function breakDown(): Promise<void> {
    const before = shipper.progress?.retries ?? 0
    collector.beBusy(2)
    await until(() => (shipper.progress?.retries ?? 0) >= before + 2, 'the collector was busy twice')
    display.say('be busy       the collector says 503, Retry-After: 1; the shipper waits')
    await collector.cut()
    await until(() => shipper.progress?.circuitOpen === true, 'the circuit opens')
    await until(() => waiting() > 1_500, '1,500 lines wait')
    display.say(
      `be gone       connections are refused, the circuit opens; ${count(waiting())} lines wait on disk`,
    )
    await collector.reconnect()
    await caughtUp()
    display.say('come back     and the backlog drains')
  }

  async function peak(): Promise<void> {
    await application.burst(8_000)
    await until(() => waiting() > 4_000, 'the peak is in the queue')
    display.say(`peak          8,000 lines at once; ${count(linesPerSecond)} a second go out`)
    await caughtUp()
    display.say(`              drained; at most ${count(collector.received().peak)} came within a second`)
  }

  async function uploadWithCut(): Promise<void> {
    await rename(files.dump, join(files.outbox, 'heap.dump'))
    await uploaded(0.3)
    await collector.cut()
    display.say(`upload        a file of ${megabytes(fileBytes)}; the line is cut at ${megabytes(sent())}`)
    await until(() => shipper.progress?.circuitOpen === true, 'the circuit opens')
    await collector.reconnect()
    await until(() => resumedAt() > 0, 'the upload goes on')
    done.resumedAfterCut = resumedAt()
    display.say(
      `              and it goes on at ${megabytes(done.resumedAfterCut)}, where the collector has it until`,
    )
  }

  async function killInTheMiddle(): Promise<void> {
    await uploaded(0.6)
    const { signal } = await shipper.kill()
    if (signal === 'SIGKILL') done.crashes += 1
    display.say(`kill -9       at ${megabytes(sent())}; meanwhile the log is rotated twice`)
    await application.rotate()
    await application.rotate()
    const { pid } = await shipper.start()
    await until(() => resumedAt() > 0, 'the upload goes on')
    done.resumedAfterKill = resumedAt()
    display.say(
      `restart       process ${pid} goes on at ${megabytes(done.resumedAfterKill)}, from its checkpoint`,
    )
    await until(intact, 'the file is there')
    display.say('              the file is there, the same by SHA-256')
  }

  async function finish(): Promise<void> {
    await application.close()
    await arrived(application.lines - 1)
    await until(() => waiting() === 0, 'nothing waits')
    const { code } = await shipper.stop()
    if (code === 0) done.cleanStops += 1
    display.say(`stop          SIGTERM; exit code ${code}`)
  }

  async function account(): Promise<Outcome> {
    const { lines, uploadBytes, ...counts } = collector.received()
    await using queue = await openQueue<LogLine>(join(files.state, 'queue'), { name: 'lines' })
    const dead = await queue.peek({ lane: 'dead' })
    const refused = dead.map(({ value }) => value)
    return {
      ...auditLines(application.lines, lines.values(), refused),
      ...{ ...counts, ...done, linesPerSecond, fileBytes },
      refusal: dead[0]?.error ?? 'none',
      fileIntact: await intact(),
      resentBytes: uploadBytes - fileBytes,
    }
  }

  function received(): number {
    return collector.received().lines.size
  }

  function waiting(): number {
    return shipper.progress?.waiting ?? 0
  }

  function sent(): number {
    return collector.received().uploadBytes
  }

  function resumedAt(): number {
    return shipper.progress?.upload?.resumedAt ?? 0
  }

  async function intact(): Promise<boolean> {
    const [upload, ...others] = await uploadsOfSize(files.received, fileBytes)
    return upload !== undefined && others.length === 0 && (await sha256(upload)) === digest
  }

  function arrived(least: number): Promise<void> {
    return until(() => received() >= least, `${least} lines are at the collector`)
  }

  /** Everything that is written at the call is at the collector, but what it refused. */
  function caughtUp(): Promise<void> {
    return arrived(application.lines - (shipper.progress?.dead ?? 0))
  }

  function uploaded(share: number): Promise<void> {
    return until(() => sent() > share * fileBytes, `${share * 100} % of the file are there`)
  }
}
