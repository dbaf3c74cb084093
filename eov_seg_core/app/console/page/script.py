# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the browser does by itself: show the newest frame, and know which one it shows.

A frame is asked for when the one before is shown, so that none waits in a buffer; a page that is
hidden asks for none.  Files that are dropped anywhere or pasted are given to the field of their
kind, as if they were chosen there; without this, the browser would leave the page to show them.

A key that means something is sent as the event `shortcut`, and the browser then does nothing else
with it: Space would scroll as well.  Fields keep their letters, buttons keep Space.
"""

SCRIPT = """
const eovSeg = {
  view: 'overlay', shown: 0, stop: new AbortController(),
  setView(view) { this.view = view; this.shown = 0; this.stop.abort(); },
  sleep: (ms) => new Promise((done) => setTimeout(done, ms)),
  async next(image) {
    this.stop = new AbortController();
    const answer = await fetch(`/frame/${this.view}?after=${this.shown}`,
                               {signal: this.stop.signal});
    if (answer.status === 204) return;
    if (answer.status === 401) location.reload();   // the token is another one; it says what to do
    if (!answer.ok) throw new Error(answer.statusText);
    const number = answer.headers.get('x-frame'), before = image.src;
    image.src = URL.createObjectURL(await answer.blob());
    await image.decode();
    image.dataset.frame = this.shown = number;
    if (before.startsWith('blob:')) URL.revokeObjectURL(before);
  },
  async follow() {
    while (true) {
      const image = document.querySelector('.stage .live');
      if (!image || document.hidden) { await this.sleep(200); continue; }
      try {
        await this.next(image);
        image.closest('.stage').classList.remove('lost');
        if (matchMedia('(prefers-reduced-motion: reduce)').matches) await this.sleep(1000);
      } catch (error) {
        if (error.name === 'AbortError') continue;
        image.closest('.stage').classList.add('lost');
        await this.sleep(1000);
      }
    }
  },
};
eovSeg.follow();
const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
const mark = (isOver) => document.body.classList.toggle('dropping', isOver);
function take(files) {
  const isWords = (file) => /[.]ya?ml$/i.test(file.name);
  give('.side', [...files].filter(isWords));
  give('.view', [...files].filter((file) => !isWords(file)));
}
function give(kind, files) {
  const field = document.querySelector(`${kind} .chooser input`), list = new DataTransfer();
  if (!field || !files.length) return;
  files.forEach((file) => list.items.add(file));
  field.files = list.files;
  field.dispatchEvent(new Event('change', {bubbles: true}));
}
addEventListener('dragover', (event) => {
  if (carriesFiles(event)) { event.preventDefault(); mark(true); }
});
addEventListener('dragleave', (event) => { if (!event.relatedTarget) mark(false); });
addEventListener('drop', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault(); mark(false);
  if (event.dataTransfer.files.length) take(event.dataTransfer.files);
});
function shortcut(event) {
  const focused = document.activeElement, isField = focused.matches('input, textarea');
  if (event.altKey || event.repeat || document.querySelector('.q-dialog, .q-menu')) return '';
  if (event.ctrlKey || event.metaKey)   // what is typed at the moment is taken back by the browser
    return event.key.toLowerCase() === 'z' && !event.shiftKey && !(isField && focused.value)
      ? 'undo' : '';
  if (isField || (event.key === ' ' && focused !== document.body)) return '';
  return {' ': 'pause', 's': 'save', '/': 'type', '?': 'help'}[event.key] ?? '';
}
addEventListener('keydown', (event) => {
  const name = shortcut(event);
  if (name) { event.preventDefault(); emitEvent('shortcut', name); }
});
addEventListener('paste', (event) => {
  const files = event.clipboardData.files;
  if (files.length) { event.preventDefault(); take(files); }
});
"""
PLACE = ('(e) => { const box = e.target.getBoundingClientRect(); '
         'emit(Number(e.target.dataset.frame || 0), (e.clientX - box.left) / box.width, '
         '(e.clientY - box.top) / box.height) }')
"""Of a click: number of the frame that is shown, share of the width, share of the height."""
