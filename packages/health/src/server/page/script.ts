/** Draws what `/events` pushes, and lets ages grow between two pushes. Plain text only: nothing that is told becomes markup. */
export const script: string = String.raw`
'use strict'
const words = { pass: 'pass', warn: 'warning', fail: 'fail', unknown: 'unknown' }
const signs = { pass: '✓', warn: '!', fail: '✕', unknown: '?' }
const asks = { startup: 'Has it started?', ready: 'May work be sent to it?', live: 'Should it be left running?' }
const worst = ['fail', 'unknown', 'warn', 'pass']
const colors = { pass: '#2a9d5c', warn: '#d99a1c', fail: '#d33f35', unknown: '#7b8794' }
const $ = (id) => document.getElementById(id)
const kept = new Map(), history = new Map()
let state, seenAt

const number = (value) => value === null ? '–' : value.toLocaleString(undefined, { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 })
const bytes = (value) => { const step = value >= 1 ? Math.min(5, Math.floor(Math.log2(value) / 10)) : 0; return (value / 1024 ** step).toLocaleString(undefined, { maximumFractionDigits: step ? 1 : 0 }) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][step] }
function time(ms) {
  if (ms < 1000) return ms > 0 && ms < 1 ? '< 1 ms' : Math.round(ms) + ' ms'
  const seconds = Math.floor(ms / 1000), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60)
  return seconds < 120 ? seconds + ' s' : minutes < 120 ? minutes + ' min' : hours < 48 ? hours + ' h' : Math.floor(hours / 24) + ' days'
}
const past = (ms) => ms < 1000 ? 'just now' : time(ms) + ' ago'
const span = (ms) => ms < 1000 ? 'just now' : 'for ' + time(ms)

/** The element of this name, made once: what a reader has opened or marked stays so. */
function keep(name, tag, className = '') {
  if (!kept.has(name)) kept.set(name, Object.assign(document.createElement(tag), { className }))
  return kept.get(name)
}
function put(element, text, className) {
  if (element.textContent !== text) element.textContent = text
  if (className !== undefined && element.className !== className) element.className = className
  return element
}
function arrange(parent, children) {
  if (children.length !== parent.children.length || children.some((child, at) => child !== parent.children[at])) parent.replaceChildren(...children)
  return parent
}
function item(name, { status, sinceMs }, passed, ...lines) {
  const head = arrange(keep(name + ' head', 'div', 'row'), [
    put(keep(name + ' name', 'span', 'name'), name.slice(name.indexOf(' ') + 1)),
    arrange(keep(name + ' standing', 'span', 'standing'), [
      put(keep(name + ' status', 'b'), signs[status] + ' ' + words[status]),
      put(keep(name + ' since', 'span', 'note'), span(sinceMs + passed)),
    ]),
  ])
  const rest = lines.map(([className, text]) => put(keep(name + ' ' + className, 'p', className), text))
  const li = arrange(keep(name, 'li'), [head, ...rest])
  li.className = status
  return li
}
function gateItem(gate, passed) {
  return item('gate ' + gate.gate, gate, passed, ['output', gate.why.join('\n')], ['note', gate.why.length ? '' : asks[gate.gate]])
}
function checkItem(check, passed) {
  const { name, unit, output, failures, ageMs, durationMs, blockedBy, gates, soft } = check
  const value = failures ? undefined : check.value
  const measured = value === undefined || value === null ? '' : unit === 'bytes' ? bytes(value) : unit === 'ms' ? time(value) : number(value) + (unit ? ' ' + unit : '')
  const facts = [
    ageMs === undefined ? 'no answer yet' : 'answered ' + past(ageMs + passed) + ' in ' + time(durationMs),
    failures > 1 ? failures + ' failures in a row' : '',
    gates.join() === 'ready' ? '' : gates.length ? 'for ' + gates.join(', ') : 'for no gate',
    soft ? 'soft' : '',
  ]
  const said = blockedBy.length ? 'blocked by ' + blockedBy.join(', ') : [output, measured].filter(Boolean).join(' · ')
  return item('check ' + name, check, passed, ['output', said], ['note', facts.filter(Boolean).join(' · ')])
}

/** The name without the words of its source and, unless nothing else is left, its unit: the card and the value tell them. */
function labelOf(source, name) {
  const own = name.toLowerCase().startsWith(source.toLowerCase() + '_') ? name.slice(source.length + 1) : name
  return (own.replace(/_(total|bytes|ms|seconds|timestamp_seconds|ratio)$/, '') || own).replace(/_/g, ' ')
}
function valueOf(name, { value, help }, passed) {
  if (value === null) return '–'
  if (/_timestamp_seconds$/.test(name)) return value > 0 ? past(Math.max(0, state.at + passed - value * 1000)) : 'never'
  if (/_ms$/.test(name)) return time(value)
  if (/_seconds$/.test(name)) return time(value * 1000)
  if (/_bytes(_total)?$/.test(name)) return bytes(value)
  if (/^(1 while|whether)/i.test(help) && (value === 0 || value === 1)) return value ? 'yes' : 'no'
  return number(value)
}
function figureRow(source, name, stat, passed) {
  const id = 'figure ' + source + ' ' + name
  const term = put(keep(id + ' term', 'dt'), labelOf(source, name))
  term.title = name + ': ' + stat.help
  const line = kept.get(id + ' line')
  return arrange(keep(id, 'div'), [term, ...(line ? [line] : []), put(keep(id + ' value', 'dd'), valueOf(name, stat, passed))])
}
function figureCard({ source, stats }, passed) {
  const id = 'source ' + source
  const rows = (kind) => Object.entries(stats).filter(([, stat]) => stat.kind === kind).map(([name, stat]) => figureRow(source, name, stat, passed))
  const gauges = rows('gauge'), counters = rows('counter')
  const more = keep(id + ' more', 'details')
  arrange(more, [put(keep(id + ' summary', 'summary'), counters.length === 1 ? '1 counter' : counters.length + ' counters'), arrange(keep(id + ' counters', 'dl'), counters)])
  if (!gauges.length) more.open = true
  return arrange(keep(id, 'section', 'card'), [put(keep(id + ' title', 'h3'), source), arrange(keep(id + ' gauges', 'dl'), gauges), ...(counters.length ? [more] : [])])
}

/** Draws how a gauge went since the page was opened, once it has moved. */
function remember({ source, stats }) {
  for (const [name, { kind, value }] of Object.entries(stats)) {
    if (kind !== 'gauge' || value === null || /_timestamp_seconds$/.test(name)) continue
    const id = 'figure ' + source + ' ' + name
    const points = [...(history.get(id) ?? []), value].slice(-60)
    history.set(id, points)
    const low = Math.min(...points), high = Math.max(...points)
    if (low === high) { kept.delete(id + ' line'); continue }
    if (!kept.has(id + ' line')) kept.set(id + ' line', sparkline())
    kept.get(id + ' line').firstChild.setAttribute('points', points.map((point, at) => (at * 72 / (points.length - 1)).toFixed(1) + ',' + (18 - 16 * (point - low) / (high - low)).toFixed(1)).join(' '))
  }
}
function sparkline() {
  const space = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(space, 'svg')
  svg.setAttribute('viewBox', '0 0 72 20')
  svg.setAttribute('aria-hidden', 'true')
  svg.append(document.createElementNS(space, 'polyline'))
  return svg
}

function verdict({ startup, ready, live }, draining) {
  if (!live.ok) return { title: 'Not live', status: 'fail', gate: live }
  if (draining) return { title: 'Stopping', status: 'warn', gate: ready }
  if (!startup.ok) return { title: 'Starting', status: 'unknown', gate: startup }
  if (!ready.ok) return { title: 'Not ready', status: ready.status, gate: ready }
  return { title: ready.status === 'warn' ? 'Ready, with warnings' : 'Ready', status: ready.status, gate: ready }
}
function draw() {
  const passed = Date.now() - seenAt
  const { title, draining, gates, checks, figures } = state
  const { title: word, status, gate } = verdict(Object.fromEntries(gates.map((each) => [each.gate, each])), draining)
  const well = checks.filter((check) => check.status === 'pass').length
  put($('title'), word)
  put($('sign'), signs[status], status)
  put($('about'), [title, location.host, span(gate.sinceMs + passed)].join(' · '))
  document.title = word + ' · ' + title
  const icon = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="' + colors[status] + '"/></svg>')
  if ($('icon').href !== icon) $('icon').href = icon
  arrange($('gates'), gates.map((each) => gateItem(each, passed)))
  put($('count'), checks.length ? 'Checks · ' + well + ' of ' + checks.length + ' pass' : 'Checks')
  const sorted = [...checks].sort((a, b) => worst.indexOf(a.status) - worst.indexOf(b.status))
  arrange($('checks'), sorted.map((check) => checkItem(check, passed)))
  $('none').hidden = checks.length > 0
  arrange($('cards'), figures.map((source) => figureCard(source, passed)))
  $('figures').hidden = figures.length === 0
  document.querySelector('main').className = figures.length ? 'wide' : ''
}
function tell() {
  const lost = source.readyState !== EventSource.OPEN || Date.now() - seenAt > 6000
  document.body.className = lost ? 'lost' : ''
  put($('link'), !lost ? 'live' : seenAt === undefined ? 'connecting …' : 'no connection since ' + new Date(seenAt).toLocaleTimeString())
  if (state && !lost) draw()
}

const source = new EventSource('events')
source.onmessage = ({ data }) => { seenAt = Date.now(); state = JSON.parse(data); state.figures.forEach(remember); tell() }
source.onerror = tell
setInterval(tell, 1000)
`
