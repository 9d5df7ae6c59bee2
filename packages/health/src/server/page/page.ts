import { createHash } from 'node:crypto'
import { script } from './script.ts'
import { style } from './style.ts'

/** One page that needs nothing from elsewhere: it draws what `/events` tells. */
export const statusPage: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Health</title>
<link rel="icon" id="icon" href="data:,">
<style>${style}</style>
</head>
<body class="lost">
<main>
<header><span id="sign" class="unknown" aria-hidden="true">?</span>
<div><h1 id="title" aria-live="polite">Health</h1><p id="about"></p></div>
<span id="link" role="status">connecting …</span></header>
<ul id="gates" aria-label="Gates"></ul>
<section id="checking" aria-labelledby="count"><h2 id="count">Checks</h2><ul id="checks"></ul><p id="none" class="note" hidden>There are no checks.</p></section>
<section id="figures" aria-labelledby="counted" hidden><h2 id="counted">Figures</h2><div id="cards"></div></section>
<noscript><p>This page needs JavaScript; <a href="healthz?verbose">healthz?verbose</a> does not.</p></noscript>
<footer>For programs: <a href="healthz?verbose">healthz?verbose</a> · <a href="metrics">metrics</a></footer>
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
