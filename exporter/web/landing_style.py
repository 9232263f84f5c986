"""The style sheet of the landing page: plain, readable on a phone, light or dark as the person's system is."""

from __future__ import annotations

from typing import Final

#: Blue, amber and vermilion stay apart for every common form of colour blindness; each text has a contrast of at least
#: 4.5 to 1 on its ground (WCAG 2.2, 1.4.3).
STYLE: Final = """
:root {
  --page: #f6f7f9; --panel: #ffffff; --line: #d9dde3; --ink: #1a1f27; --quiet: #5a6472; --link: #0b5cad;
  --good: #0b5cad; --good-ground: #e3effb; --fair: #7a4b00; --fair-ground: #fdf0d5;
  --poor: #a3310b; --poor-ground: #fde7df; --unset: #4d5765; --unset-ground: #e9ecf0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #13161b; --panel: #1b2027; --line: #333b46; --ink: #e8ebef; --quiet: #9aa5b3; --link: #86bdf5;
    --good: #93c6fa; --good-ground: #12304d; --fair: #f6c667; --fair-ground: #3d2f10;
    --poor: #ff9f80; --poor-ground: #48200f; --unset: #b6bfca; --unset-ground: #2b323b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word;
}
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 2rem 0 .5rem; font-size: 1.125rem; }
.version { color: var(--quiet); font-weight: 400; }
.lead { margin: .25rem 0 1rem; color: var(--quiet); }
.quiet { color: var(--quiet); font-size: .875rem; }
a { color: var(--link); text-underline-offset: .15em; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.banner { margin: 0; padding: .5rem .75rem; border-radius: .375rem; font-weight: 600; }
.banner.up { color: var(--good); background: var(--good-ground); }
.banner.fair { color: var(--fair); background: var(--fair-ground); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.75rem; margin: 1rem 0 0; padding: 0; list-style: none; }
table { width: 100%; border-collapse: collapse; background: var(--panel); border: 1px solid var(--line); }
th, td { padding: .5rem .75rem; text-align: start; vertical-align: top; }
th { color: var(--quiet); font-size: .875rem; font-weight: 600; white-space: nowrap; }
td { border-top: 1px solid var(--line); font-variant-numeric: tabular-nums; }
time, .length { white-space: nowrap; }
.name, .problem, code { overflow-wrap: anywhere; }
code { font: .875rem/1.5 ui-monospace, monospace; }
.problem { color: var(--poor); }
.empty { margin: 0; padding: .75rem; background: var(--panel); border: 1px solid var(--line); color: var(--quiet); }
.pill {
  display: inline-block; padding: 0 .5rem; border-radius: 1rem; font-size: .875rem; font-weight: 600;
  white-space: nowrap; color: var(--unset); background: var(--unset-ground);
}
.pill.good, .pill.up { color: var(--good); background: var(--good-ground); }
.pill.fair { color: var(--fair); background: var(--fair-ground); }
.pill.poor, .pill.down { color: var(--poor); background: var(--poor-ground); }
footer { margin-top: 2rem; color: var(--quiet); font-size: .875rem; }
@media (max-width: 56rem) {
  thead { position: absolute; clip-path: inset(50%); }
  table, tbody, tr, td { display: block; }
  tr { padding: .5rem 0; border-top: 1px solid var(--line); }
  tr:first-child { border-top: 0; }
  td { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .75rem; padding: .125rem .75rem; border: 0; }
  td::before { content: attr(data-label); color: var(--quiet); font-size: .875rem; }
}
"""
