# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the page looks, in light and in dark, on a wide screen and on a telephone."""

CSS = """
body { --line: #c9ced6; --panel: #ffffff; --ground: #f3f5f8; --ink: #17202b; --soft: #55606e;
       --bad: #a81818; --field: #fafbfc; background: var(--ground); color: var(--ink); }
body.body--dark { --line: #3a4350; --panel: #1b2129; --ground: #12161c; --ink: #e8ecf1;
       --soft: #aab4c0; --bad: #ff9a94; --field: #232a34; background: var(--ground); }
.nicegui-content { padding: 0; gap: 0; width: 100%; align-items: stretch; }
.bar { display: flex; align-items: center; gap: 12px; padding: 4px 16px; min-height: 52px;
       background: var(--panel); border-bottom: 1px solid var(--line); flex-wrap: wrap; }
.brand { font-weight: 700; font-size: 18px; }
.status { flex: 1; color: var(--soft); overflow-wrap: anywhere; }
.status > * { display: inline; }
.status > :first-child { color: var(--ink); font-weight: 500; }
.body--dark :is(.q-btn--flat, .q-field, .q-slider, .q-menu) { --q-primary: #8dbdf5; }
/* a picture fits between the bar above and the line below; a long one is scrolled */
.console { --ratio: 1.3333; --high: calc(100vh - 130px); --least: 100px;
       --wide: max(var(--high) * var(--ratio), var(--least));
       display: grid; gap: 16px; padding: 16px;
       grid-template: auto 1fr / minmax(0, max(var(--wide), 480px)) minmax(380px, 1fr);
       box-sizing: border-box; width: 100%; max-width: 2200px; margin: 0 auto; }
.view, .side { display: flex; flex-direction: column; gap: 10px; min-width: 0; }
.side { grid-row: 1 / span 2; grid-column: 2; background: var(--panel); padding: 14px;
       border: 1px solid var(--line); border-radius: 10px; max-width: 640px; }
.stage { position: relative; background: #000; border-radius: 10px; overflow: hidden;
       min-height: 80px; line-height: 0; width: min(100%, var(--wide)); }
.scroller { position: relative; overflow: auto; max-height: calc(var(--high) + 2px); }
.stage:has(.live:not([src])) { aspect-ratio: 4 / 3; }
.stage img { display: block; width: max(100%, var(--least) * var(--ratio)); max-width: none;
       height: auto; cursor: crosshair; }
.stage .live:not([src]) { visibility: hidden; }
.stage.stale .live { filter: grayscale(1) brightness(.45); }
.stage.lost .waiting { display: none; }
.stage.lost .live { filter: grayscale(1) brightness(.45); }
body:has(.stage.lost) .status { visibility: hidden; }
.stage.lost::after { content: 'No answer from the server; trying again'; position: absolute;
       inset: 0; display: grid; place-items: center; color: #fff; line-height: 1.4; }
.waiting { position: absolute; inset: 0; display: grid; place-items: center; padding: 20px;
       color: #e8ecf1; text-align: center; line-height: 1.4; }
.key { font-family: monospace; min-width: 64px; font-weight: 600; }
.stage .outline { position: absolute; inset: 0 0 auto; pointer-events: none; }
.dropping .stage::before { content: 'Drop a picture, or words as YAML'; position: absolute;
       inset: 0; z-index: 3; display: grid; place-items: center; line-height: 1.4;
       font-size: 20px; color: #fff; background: rgb(18 22 28 / .8);
       outline: 3px dashed #8dbdf5; outline-offset: -10px; border-radius: 10px; }
.title { font-size: 16px; font-weight: 600; }
.hint { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.problem { color: var(--bad); }
.banner { padding: 10px 16px; background: var(--panel); border-bottom: 1px solid var(--line);
       overflow-wrap: anywhere; font-variant-ligatures: none; }
.kind-title { font-weight: 600; }
.kind { border: 1px solid var(--line); border-radius: 8px; padding: 8px 10px;
       background: var(--field); }
.chips { display: flex; flex-wrap: wrap; gap: 6px; padding: 4px; margin: 0 -4px;
       max-height: clamp(150px, 22vh, 400px); overflow-y: auto; }
.chip { display: inline-flex; border: 2px solid; border-radius: 18px; max-width: 100%;
       background: var(--panel); cursor: grab; }
.chip button { padding: 4px 4px 4px 10px; min-height: 32px; max-width: 270px; overflow: hidden;
       text-overflow: ellipsis; white-space: nowrap; }
.chip .remove { padding: 0 10px 0 4px; min-width: 28px; color: var(--soft); flex: none; }
/* a shadow, because Quasar takes the outline of its buttons away */
:is(button, .q-item, .q-slider__track-container):focus-visible {
       box-shadow: 0 0 0 3px #2f81d6 !important; border-radius: 8px; outline: 0; z-index: 1; }
.segment:focus-visible { box-shadow: inset 0 0 0 3px #2f81d6 !important; }
.note { font-size: 14px; padding: 6px 10px; border-left: 4px solid #c98a00;
       overflow-wrap: anywhere; background: var(--field); }
.threshold { font-variant-numeric: tabular-nums; }
.chooser { display: none; }
.preset { flex: 1; min-width: 130px; }
.pixel { flex: 1 1 200px; }
.under .q-btn-group .q-btn { padding: 4px 12px; border: 1px solid var(--line); }
.kind .q-field { margin-top: 6px; }
.segments, .objects { display: flex; flex-direction: column; }
.segments { max-height: 420px; overflow-y: auto; margin-top: -10px; }
.segment, .head { display: flex; align-items: center; gap: 6px; padding: 4px 6px;
       text-align: left; border-bottom: 1px solid var(--line); }
.segment { min-height: 36px; flex: none; }
.segment:hover { background: var(--field); }
.head { font-size: 13px; color: var(--soft); }
:is(.segment, .head) .dot { width: 14px; height: 14px; border-radius: 4px; flex: none; }
:is(.segment, .head) .number { min-width: 32px; color: var(--soft); }
:is(.segment, .head) .name { flex: 1; overflow-wrap: anywhere; }
:is(.segment, .head) .figure { width: 52px; text-align: right; }
.segment .figure { font-variant-numeric: tabular-nums; }
.room { display: grid; grid-template-columns: minmax(0, 3fr) minmax(260px, 2fr); gap: 16px;
       background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
       padding: 14px; align-self: start; }
.ground { position: relative; aspect-ratio: 3 / 2; container-type: inline-size; overflow: hidden;
       margin-top: 8px; border: 1px solid var(--line); border-radius: 8px;
       background-color: var(--field); background-image: linear-gradient(var(--line) 1px,
       transparent 1px), linear-gradient(90deg, var(--line) 1px, transparent 1px); }
.mark { position: absolute; translate: -50% -50%; min-width: 24px; min-height: 24px;
       display: grid; place-items: center; font-size: 12px; line-height: 1.2; }
.mark > * { grid-area: 1 / 1; }
.mark .box { border: 2px solid; border-radius: 2px; min-width: 6px; min-height: 6px; }
.mark .name { max-width: 110px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
       padding: 0 3px; border-radius: 4px; background: var(--panel); opacity: .85; }
.mark.selected, .mark:hover, .mark:focus-visible { z-index: 2; }
.mark.selected .name, .mark:hover .name { max-width: none; opacity: 1; }
.mark.selected .name { font-weight: 700; outline: 2px solid var(--ink); }
.mark.selected .box { box-shadow: 0 0 0 2px var(--ink); }
.viewer { position: absolute; z-index: 1; width: 34px; height: 28px; translate: 0 -50%;
       transform-origin: 0 50%; background: var(--ink); opacity: .8;
       clip-path: polygon(0 50%, 8% 36%, 100% 0, 40% 50%, 100% 100%, 8% 64%); }
.scale { position: absolute; right: 6px; bottom: 4px; padding: 0 4px; font-size: 12px;
       color: var(--soft); background: var(--field); }
.fact { display: grid; grid-template-columns: 84px 1fr; gap: 8px; font-size: 14px;
       padding: 2px 0; overflow-wrap: anywhere; }
.answer { white-space: pre-line; overflow-wrap: anywhere; font-size: 14px; padding: 4px 0; }
.objects { max-height: 340px; overflow-y: auto; }
.segment.selected { background: var(--field); font-weight: 600; outline: 2px solid var(--soft);
       outline-offset: -2px; }
.q-field__messages { line-height: 1.3; font-size: 13px; }
.q-field:not(.q-field--error) .q-field__messages { color: var(--soft); }
.kind .q-field--with-bottom { padding-bottom: 0; }
.kind .q-field__bottom { position: static; transform: none; padding-top: 4px; min-height: 0; }
.q-field--error { --q-negative: var(--bad); }
@media (pointer: coarse) {
  .chip button, .segment { min-height: 44px; }
  .chip .remove { min-width: 40px; }
}
@media (max-width: 800px) {
  .status { order: 1; flex-basis: 100%; padding-bottom: 4px; }
  .bar { justify-content: space-between; column-gap: 4px; }
  .under { flex-wrap: wrap; }
  .console { grid-template: none / minmax(0, 1fr); padding: 8px; }
  .view { order: -2; }
  .side { order: -1; grid-area: auto; max-width: none; }
  .segments { max-height: none; }
  .segment .kind-hint { display: none; }
  .room { grid-template-columns: minmax(0, 1fr); padding: 10px; }
}
"""
