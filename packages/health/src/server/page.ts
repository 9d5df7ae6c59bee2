import { createHash } from 'node:crypto'

const style = `
:root { color-scheme: light dark; --ground: #f6f7f8; --card: #fff; --ink: #16202a; --soft: #5a6673; --line: #dfe3e7;
  --pass: #17703a; --warn: #8a5a00; --fail: #b3261e; --unknown: #56616d }
@media (prefers-color-scheme: dark) { :root { --ground: #11161b; --card: #1a2129; --ink: #e8edf2; --soft: #9aa7b4; --line: #2d3742;
  --pass: #5fce8b; --warn: #f0b94a; --fail: #ff8a80; --unknown: #a9b4bf } }
* { box-sizing: border-box; margin: 0 }
body { font: 16px/1.45 system-ui, sans-serif; background: var(--ground); color: var(--ink); padding: 1.5rem 1rem 3rem }
main { max-width: 60rem; margin: 0 auto }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin-bottom: 1.25rem }
h1 { font-size: 1.6rem; line-height: 1.2 } h2 { font-size: 1rem; margin: 1.75rem 0 .6rem }
#link { color: var(--soft); font-size: .875rem; margin-left: auto }
#gates { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); list-style: none; padding: 0 }
#gates li, #checks li { background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--tone); border-radius: .4rem; padding: .75rem 1rem }
#gates b, .name { font-weight: 600; overflow-wrap: anywhere } .status { color: var(--tone); font-weight: 600; white-space: nowrap }
.row { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline }
.note { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere }
#checks { display: grid; gap: .5rem; list-style: none; padding: 0 }
@media (min-width: 46rem) { #checks li { display: grid; grid-template-columns: 18rem 1fr; gap: 0 1.5rem; align-items: baseline } }
.pass { --tone: var(--pass) } .warn { --tone: var(--warn) } .fail { --tone: var(--fail) } .unknown { --tone: var(--unknown) }
.lost #gates, .lost #checks { opacity: .55 }
`

const script = `
const words = { pass: '✓ pass', warn: '! warn', fail: '✕ fail', unknown: '? unknown' }
const asks = { startup: 'Has it started?', ready: 'May work be sent to it?', live: 'Should it be left running?' }
const $ = (id) => document.getElementById(id)
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text ?? '' })
const time = (ms) => ms === undefined ? '' : ms < 1000 ? Math.round(ms) + ' ms' : ms < 120000 ? (ms / 1000).toFixed(ms < 10000 ? 1 : 0) + ' s' : Math.round(ms / 60000) + ' min'
const number = (value) => value.toLocaleString(undefined, { maximumFractionDigits: 1 })
const size = (bytes) => { const step = bytes > 0 ? Math.min(5, Math.floor(Math.log2(bytes) / 10)) : 0; return number(bytes / 1024 ** step) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][step] }
function measured({ value, unit }) { return value === undefined ? '' : unit === 'bytes' ? size(value) : number(value) + (unit ? ' ' + unit : '') }
function head(name, status, tag) { const row = make('div', 'row'); row.append(make(tag, 'name', name), make('span', 'status', words[status])); return row }
function gateItem({ gate, status, why }) {
  const item = make('li', status)
  item.append(head(gate, status, 'b'), make('p', 'note', why.length ? why.join(' · ') : asks[gate]))
  return item
}
function checkItem(check) {
  const item = make('li', check.status)
  const facts = [
    check.blockedBy.length ? 'blocked by ' + check.blockedBy.join(', ') : check.output,
    measured(check),
    check.failures ? check.failures + (check.failures === 1 ? ' failure' : ' failures in a row') : '',
    check.ageMs === undefined ? 'no answer yet' : 'answered ' + time(check.ageMs) + ' ago in ' + time(check.durationMs),
    check.gates.length ? 'for ' + check.gates.join(', ') : 'for show', check.soft ? 'soft' : '',
  ]
  item.append(head(check.name, check.status, 'span'), make('p', 'note', facts.filter(Boolean).join(' · ')))
  return item
}
function show({ gates, checks }) {
  const by = Object.fromEntries(gates.map((gate) => [gate.gate, gate]))
  const title = !by.live.ok ? 'Not live' : !by.startup.ok ? 'Starting' : by.ready.ok ? 'Ready' : 'Not ready'
  if ($('title').textContent !== title) $('title').textContent = title
  document.title = title + ' · ' + location.host
  $('gates').replaceChildren(...gates.map(gateItem))
  $('checks').replaceChildren(...checks.map(checkItem))
  $('none').hidden = checks.length > 0
}
let seen
const source = new EventSource('events')
source.onmessage = ({ data }) => { seen = Date.now(); show(JSON.parse(data)); tell() }
source.onerror = tell
setInterval(tell, 1000)
function tell() {
  const lost = source.readyState !== EventSource.OPEN || Date.now() - seen > 6000
  document.body.className = lost ? 'lost' : ''
  $('link').textContent = !lost ? 'live' : seen === undefined ? 'connecting …' : 'no connection, as of ' + new Date(seen).toLocaleTimeString()
}
`

/** One page that needs nothing from elsewhere: it draws what `/events` tells. */
export const statusPage: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Health</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main>
<header><h1 id="title" aria-live="polite">Health</h1><span id="link" role="status">connecting …</span></header>
<ul id="gates" aria-label="Gates"></ul>
<h2>Checks</h2>
<ul id="checks"></ul>
<p id="none" class="note" hidden>There are no checks.</p>
<noscript><p>This page needs JavaScript; <a href="healthz?verbose">/healthz?verbose</a> does not.</p></noscript>
</main>
<script>${script}</script>
</body>
</html>
`

/** Nothing but this page's own style and script may run in it, and it may speak to this server alone. */
export const statusPagePolicy: string = [
  `default-src 'none'`,
  `style-src '${hashOf(style)}'`,
  `script-src '${hashOf(script)}'`,
  `connect-src 'self'`,
  `img-src data:`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ')

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
