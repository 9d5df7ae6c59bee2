import { memorySource, openConfig } from '@holdfast/config'
import { createMemoryStore } from '@holdfast/coordination'
import { type Clock, systemClock } from '@holdfast/core'
import { type Health, type HealthServer, startHealth, startHealthServer } from '@holdfast/health'
import { openSession } from '@holdfast/lease'
import { openMemoryQueue } from '@holdfast/queue/testing'
import { directory, memoryStore, openRepository } from '@holdfast/snapshot'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { findChromium, launchChromium } from '../support/chromium.ts'

const program = findChromium()
/** Pushes ten times as often, so that nothing here waits for long; its host's clock is a day behind the browser's. */
const hurried: Clock = {
  ...systemClock,
  wall: () => systemClock.wall() - 86_400_000,
  sleep: (ms, signal) => systemClock.sleep(ms / 10, signal),
}
const screens = {
  desktop: { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'dark' },
} as const

describe.skipIf(!program)('the status page in Chromium', () => {
  const parts: AsyncDisposable[] = []
  const down = new Set<string>()
  let browser: Browser
  let health: Health
  let server: HealthServer

  beforeAll(async () => {
    browser = await launchChromium(program!)
    const check = (name: string) => ({
      name,
      intervalMs: 20,
      failAfter: 1,
      run: async () => {
        if (down.has(name)) throw Object.assign(new Error('hunter2'), { code: 'ECONNREFUSED' })
        return { value: 3 * 2 ** 20, unit: 'bytes' }
      },
    })
    health = use(startHealth({ eventLoop: false, checks: [check('db'), { ...check('api'), needs: ['db'] }] }))
    server = await serve(0)
  })

  beforeEach(() => down.clear())

  afterAll(async () => {
    await browser?.close()
    await server?.close()
    for (const part of parts.reverse()) await part[Symbol.asyncDispose]()
  })

  function use<Part extends AsyncDisposable>(part: Part): Part {
    parts.push(part)
    return part
  }

  function serve(port: number): Promise<HealthServer> {
    return startHealthServer({ health, port, title: '<b>reef-7</b>', clock: hurried })
  }

  async function open(screen: keyof typeof screens): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage(screens[screen])
    page.setDefaultTimeout(10_000)
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(String(error)))
    page.on('console', (message) => void (message.type() === 'error' && faults.push(message.text())))
    await page.goto(server.url)
    await page.getByText('live', { exact: true }).first().waitFor()
    return { page, faults }
  }

  const heading = (page: Page, name: string) => page.getByRole('heading', { name, exact: true }).waitFor()

  test.each(['desktop', 'phone'] as const)(
    'on a %s: what breaks and heals is seen as it happens',
    async (screen) => {
      const { page, faults } = await open(screen)
      await heading(page, 'Ready')
      down.add('db')
      await heading(page, 'Not ready')
      const [first, second] = await page.locator('#checks li').allInnerTexts()
      expect(first).toMatch(/^db\n✕ fail\n(just now|for \d+ s)\n+ECONNREFUSED/)
      expect(second).toContain('blocked by db')
      expect((await page.locator('#gates').allInnerTexts()).join()).toContain('db is fail: ECONNREFUSED')
      expect(await page.title()).toBe('Not ready · <b>reef-7</b>')
      down.clear()
      await heading(page, 'Ready')
      expect((await page.locator('#checks li').allInnerTexts())[0]).toMatch(
        /^db\n✓ pass\n(just now|for \d+ s)\n+3 MiB/,
      )
      expect(await page.content()).not.toContain('hunter2')
      expect(await sideways(page)).toBe(0)
      expect(await faint(page)).toEqual([])
      expect(faults).toEqual([])
      await page.close()
    },
  )

  test('the parts of an agent: queue depth, config revision, lease epoch and last snapshot', async () => {
    const queue = use(await openMemoryQueue<string>())
    const settings = memorySource({ site: 'reef-1' })
    const config = use(await openConfig({ schema: z.object({ site: z.string() }), sources: [settings] }))
    const store = use(createMemoryStore())
    const session = use(await openSession(store.connect(), { ttlMs: 60_000 }))
    const repository = use(await openRepository(memoryStore(), { clock: hurried }))
    const { page, faults } = await open('desktop')
    const remove = server.addStats({
      queue: () => queue.stats(),
      config: () => config.stats?.() ?? {},
      lease: () => session.stats(),
      snapshot: () => repository.stats?.() ?? {},
    })
    await queue.enqueue('one')
    settings.set({ site: 'reef-2' })
    const figure = async (source: string, name: string, value: string | RegExp): Promise<void> => {
      const card = page
        .locator('#figures section')
        .filter({ has: page.getByRole('heading', { name: source, exact: true }) })
      const row = card.locator('dl > div').filter({ has: page.getByText(name, { exact: true }) })
      await row.getByText(value, { exact: true }).waitFor()
    }
    await figure('queue', 'ready messages', '1')
    await figure('config', 'revision', '2')
    await figure('lease', 'epoch', '1')
    await figure('lease', 'held', 'yes')
    await figure('snapshot', 'last backup', 'never')
    await repository.backup(directory(import.meta.dirname), { name: 'reef-7' })
    await figure('snapshot', 'last backup', /^just now|s ago$/)
    await page.locator('#figures summary').first().click()
    await queue.enqueue('two')
    await figure('queue', 'ready messages', '2')
    await figure('queue', 'enqueued messages', '2')
    expect(await page.locator('#figures svg').count()).toBeGreaterThan(0)
    remove()
    await page.locator('#figures').waitFor({ state: 'hidden' })
    expect(faults).toEqual([])
    await page.close()
  })

  test('a process that starts, and one that stops, say so', async () => {
    await using starting = startHealth({ traffic: 'held', drainDelayMs: 0, eventLoop: false })
    await using probes = await startHealthServer({ health: starting, port: 0, clock: hurried })
    const page = await browser.newPage(screens.phone)
    page.setDefaultTimeout(10_000)
    await page.goto(probes.url)
    await heading(page, 'Starting')
    starting.admit()
    await heading(page, 'Ready')
    await starting.drain()
    await heading(page, 'Stopping')
    await page.close()
  })

  test('a process that is gone is told of, and seen again when it is back', async () => {
    const { page } = await open('phone')
    const { port } = server
    await server.close()
    await page.getByText(/^no connection since/).waitFor()
    server = await serve(port)
    await page.getByText('live', { exact: true }).first().waitFor()
    await heading(page, 'Ready')
    await page.close()
  })
})

/** By how many pixels the page is wider than its screen. */
function sideways(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - innerWidth')
}

/** The texts whose contrast with what is behind them is below WCAG's 4.5. */
function faint(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    const parts = (color) => { const n = color.match(/[\\d.]+/g).map(Number); return color.startsWith('color(') ? n : n.map((each, at) => at < 3 ? each / 255 : each) }
    const light = ([r, g, b]) => [r, g, b].map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4).reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0)
    const behind = (element) => { const color = getComputedStyle(element).backgroundColor; return parts(color)[3] === 0 ? behind(element.parentElement) : color }
    const texts = [...document.querySelectorAll('h1, h2, h3, p, b, span, dt, dd, a, summary')].filter((each) => each.checkVisibility() && each.innerText)
    return texts.filter((each) => {
      const [a, b] = [getComputedStyle(each).color, behind(each)].map((color) => light(parts(color)) + .05)
      return Math.max(a, b) / Math.min(a, b) < 4.5
    }).map((each) => each.innerText)
  })()`)
}
