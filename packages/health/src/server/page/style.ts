/** The status page's looks. Every colour is a variable, so that light and dark differ in nothing else. */
export const style: string = `
:root { color-scheme: light dark; --ground: #f3f5f7; --card: #fff; --ink: #17212b; --soft: #566370; --line: #dde3e8; --wash: 9%;
  --pass: #177245; --warn: #8a5a00; --fail: #b3261e; --unknown: #5a6572 }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1419; --card: #182028; --ink: #e9eef3; --soft: #9aa8b5; --line: #2a3540; --wash: 12%;
  --pass: #57cc8a; --warn: #f0b94a; --fail: #ff8a80; --unknown: #a9b5c0 } }
* { box-sizing: border-box; margin: 0; padding: 0 }
body { font: 1rem/1.45 system-ui, sans-serif; background: var(--ground); color: var(--ink); padding: 1.25rem 1rem 3rem; font-variant-numeric: tabular-nums }
main { max-width: 72rem; margin: 0 auto; display: grid; gap: 1.75rem 1.5rem; grid-template-columns: minmax(0, 1fr) }
ul { list-style: none; display: grid; gap: .5rem }
h1 { font-size: 1.75rem; line-height: 1.15; letter-spacing: -.01em }
h2 { font-size: .8125rem; font-weight: 600; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin-bottom: .6rem }
h3 { font-size: 1rem; margin-bottom: .25rem; overflow-wrap: anywhere }
.pass { --tone: var(--pass) } .warn { --tone: var(--warn) } .fail { --tone: var(--fail) } .unknown { --tone: var(--unknown) }
header { display: flex; gap: 1rem; align-items: center }
header > div { flex: 1; min-width: 0 }
#sign { flex: none; display: grid; place-items: center; width: 3.25rem; height: 3.25rem; border-radius: 50%; font-size: 1.6rem; font-weight: 700; color: var(--card); background: var(--tone); transition: background .3s }
#about { color: var(--soft); overflow-wrap: anywhere }
#link { flex: none; align-self: flex-start; color: var(--soft); font-size: .875rem; display: flex; gap: .4rem; align-items: center; text-align: right; max-width: 45% }
#link::before { content: ''; flex: none; width: .55rem; height: .55rem; border-radius: 50%; background: var(--pass) }
.lost #link::before { background: var(--fail) }
@media (prefers-reduced-motion: no-preference) { body:not(.lost) #link::before { animation: beat 2s infinite } }
@keyframes beat { 50% { opacity: .3 } }
.lost #gates, .lost #checks, .lost #figures, .lost #sign { opacity: .5 }
#gates { gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)) }
.card, #gates li, #checks li { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .75rem 1rem }
#gates li { padding-top: .85rem; box-shadow: inset 0 .2rem var(--tone) }
#checks li:not(.pass) { border-color: color-mix(in srgb, var(--tone) 45%, var(--line)); background: color-mix(in srgb, var(--tone) var(--wash), var(--card)) }
.row { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline }
.name { font-weight: 600; overflow-wrap: anywhere }
.standing { flex: none; display: flex; gap: .5rem; align-items: baseline } .standing b { color: var(--tone); font-weight: 600 }
.note { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere }
.output { font-size: .9375rem; overflow-wrap: anywhere; white-space: pre-line }
.output:empty, .note:empty { display: none }
#figures > div { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); align-items: start }
dl > div { display: flex; gap: .75rem; align-items: center; padding: .2rem 0; border-top: 1px solid var(--line) }
dl > div:first-child { border-top: 0 }
dt { flex: 1; color: var(--soft); font-size: .875rem; overflow-wrap: anywhere }
dd { font-weight: 600; white-space: nowrap; min-width: 4.5rem; text-align: right }
dl svg { flex: none; width: 4.5rem; height: 1.25rem; overflow: visible; fill: none; stroke: var(--soft); stroke-width: 1.5; stroke-linejoin: round }
summary { cursor: pointer; color: var(--soft); font-size: .875rem; padding-top: .35rem; border-top: 1px solid var(--line) }
:focus-visible { outline: 2px solid var(--unknown); outline-offset: 2px; border-radius: .2rem }
footer { color: var(--soft); font-size: .875rem } a { color: inherit }
[hidden] { display: none !important }
@media (min-width: 64rem) { body { padding-top: 2rem } main.wide { grid-template-columns: minmax(0, 1fr) 22rem } main.wide > :not(#checking):not(#figures) { grid-column: 1 / -1 }
  main.wide #figures > div { grid-template-columns: minmax(0, 1fr) } }
`
