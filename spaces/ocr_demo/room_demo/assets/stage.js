// The stage: two videos that play as one, outlines over them, and clicks that select objects.
// Text from scenes reaches the page through textContent only.
const SVG = 'http://www.w3.org/2000/svg';
const make = (tag, attributes = {}, text = '') => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
};
// Where the page stands, behind whatever proxy: addresses from the server are relative to it.
const home = `${(window.gradio_config?.root || location.origin + location.pathname).replace(/\/+$/, '')}/`;
const at = (path) => path && new URL(path, home).href;
const root = element.querySelector('.stage');
const screens = {};
let view = null, outlines = [[], []], playing = !matchMedia('(prefers-reduced-motion: reduce)').matches, drawn = -1;

const pair = make('div', { class: 'pair' });
for (const side of ['vanilla', 'noisy']) {
  const figure = make('figure', { class: `screen ${side}` });
  const frame = make('div', { class: 'frame' });
  const overlay = document.createElementNS(SVG, 'svg');
  overlay.setAttribute('aria-hidden', 'true');
  const tip = make('span', { class: 'tip' });
  const message = make('div', { class: 'message' });
  frame.append(overlay, tip, message);
  const caption = make('figcaption');
  figure.append(frame, caption);
  pair.append(figure);
  screens[side] = { figure, frame, overlay, tip, message, caption, video: null };
}
// One frame of an edited room, until its clip is there.
const still = make('img', { class: 'still', alt: 'The edited room', hidden: '' });
screens.noisy.frame.append(still);
let outlined_by = '', paused_for_still = false;
const dimAnswers = () => document.querySelector('#answers .answers')?.classList.add('stale');
const bar = make('div', { class: 'bar' });
const play = make('button', { type: 'button', class: 'play', 'aria-label': 'Pause both videos' });
const slider = make('input', { type: 'range', min: 0, max: 0, step: 1, value: 0, 'aria-label': 'Frame of both videos' });
const clock = make('output', { class: 'clock' }, '0.0 s');
const switcher = make('label', { class: 'switch' });
const outlined = make('input', { type: 'checkbox' });
switcher.append(outlined, ' Outlines');
bar.append(play, slider, clock, switcher);
root.replaceChildren(pair, bar);

const master = () => screens.vanilla.video;
// The frame on the screen, which on a busy machine is behind currentTime: browsers tell it where they can.
const frameNow = () => {
  const video = master();
  if (!video || !view) return 0;
  const frame = video.shown === undefined ? Math.floor(video.currentTime * view.fps + 0.01) : Math.round(video.shown * view.fps);
  return Math.min(view.frames - 1, Math.max(0, frame));
};
const follow = (video) => {
  if (!video.requestVideoFrameCallback) return;
  const told = (now, { mediaTime }) => { video.shown = mediaTime; video.requestVideoFrameCallback(told); };
  video.requestVideoFrameCallback(told);
};
const showPlaying = () => {
  play.textContent = playing ? '❚❚' : '▶';
  play.setAttribute('aria-label', playing ? 'Pause both videos' : 'Play both videos');
};
const setPlaying = (wanted) => {
  playing = wanted;
  for (const { video } of Object.values(screens)) if (video) playing ? video.play().catch(() => {}) : video.pause();
  if (!playing && master()) seek(frameNow()); // both stop at the same frame
  showPlaying();
};
const seek = (frame) => {
  for (const { video } of Object.values(screens)) if (video) video.currentTime = (frame + 0.5) / view.fps;
};

// A new video replaces the old one only when it can show the same moment: no flash, no jump of the layout.
const load = (side, source) => {
  const screen = screens[side];
  if (screen.source === source) return;
  screen.source = source;
  const video = make('video', { src: source, muted: '', playsinline: '', loop: '', preload: 'auto', disablepictureinpicture: '' });
  video.muted = true;
  follow(video);
  video.addEventListener('loadeddata', () => {
    if (screen.source !== source) return;
    if (side === 'noisy' && master()) video.currentTime = master().currentTime;
    const show = () => {
      if (screen.source !== source) return;
      if (screen.video) screen.video.remove();
      screen.video = video;
      screen.frame.prepend(video);
      video.dataset.ready = 'yes';
      if (playing) video.play().catch(() => {});
    };
    video.currentTime > 0 ? video.addEventListener('seeked', show, { once: true }) : show();
  }, { once: true });
  video.load();
};

const draw = (frame) => {
  for (const [side, { overlay, figure }] of Object.entries(screens)) {
    const paths = [];
    for (const [id, shape] of Object.entries(outlines[side === 'noisy' ? 1 : 0][frame] || {})) {
      const path = document.createElementNS(SVG, 'path');
      path.setAttribute('d', shape);
      path.setAttribute('fill-rule', 'evenodd');
      path.dataset.id = id;
      if (view.perturbed.includes(+id)) path.classList.add('perturbed');
      if (view.queried.includes(+id)) path.classList.add('queried');
      if ((view.edited || []).includes(+id)) path.classList.add('edited');
      paths.push(path);
    }
    overlay.replaceChildren(...paths);
  }
  if (hovered) highlight(hovered.side, hovered.id);
  drawn = frame;
};
let hovered = null;
const highlight = (side, id) => {
  for (const { overlay } of Object.values(screens))
    for (const path of overlay.children) path.classList.toggle('hover', id !== null && path.dataset.id === id);
};
for (const [side, screen] of Object.entries(screens)) {
  screen.frame.addEventListener('pointermove', (event) => {
    const id = event.target.dataset ? event.target.dataset.id : undefined;
    hovered = id ? { side, id } : null;
    highlight(side, id || null);
    screen.tip.style.display = id ? 'block' : 'none';
    if (!id) return;
    const box = screen.frame.getBoundingClientRect();
    screen.tip.textContent = view.labels[id] || '';
    screen.tip.style.left = `${Math.min(event.clientX - box.left + 12, box.width - 90)}px`;
    screen.tip.style.top = `${event.clientY - box.top + 14}px`;
  });
  screen.frame.addEventListener('pointerleave', () => {
    hovered = null;
    highlight(side, null);
    screen.tip.style.display = 'none';
  });
  screen.frame.addEventListener('click', (event) => {
    if (!view) return;
    const box = screen.frame.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * view.width, y = (event.clientY - box.top) / box.height * view.height;
    screen.frame.classList.add('busy');
    dimAnswers();
    const detail = { clip: view.clip, at: [frameNow(), x, y, side === 'noisy' ? 1 : 0] };
    document.dispatchEvent(new CustomEvent('wish-object', { detail }));
  });
}
play.addEventListener('click', () => setPlaying(!playing));
slider.addEventListener('input', () => { setPlaying(false); seek(+slider.value); });
outlined.addEventListener('change', () => root.classList.toggle('outlined', outlined.checked));

const tick = () => {
  if (!root.isConnected) return;
  const video = master(), other = screens.noisy.video;
  if (video && view) {
    const frame = frameNow();
    if (frame !== drawn) {
      draw(frame);
      slider.value = frame;
      clock.textContent = `${video.currentTime.toFixed(1)} s`;
    }
    if (other && other.readyState > 1 && !other.seeking) {
      const apart = other.currentTime - video.currentTime;
      if (Math.abs(apart) > 0.5 / view.fps && Math.abs(apart) < video.duration - 0.3) other.currentTime = video.currentTime;
    }
  }
  requestAnimationFrame(tick);
};

const update = async () => {
  for (const { frame } of Object.values(screens)) frame.classList.remove('busy');
  if (!props.value) return;
  const next = JSON.parse(props.value);
  view = next;
  root.style.setProperty('--shape', `${view.width} / ${view.height}`);
  root.dataset.clip = view.clip;
  root.dataset.perturbed = view.perturbed.join('.');
  document.dispatchEvent(new CustomEvent('stage-shows')); // the room in 3D marks the same things
  slider.max = view.frames - 1;
  for (const { overlay } of Object.values(screens)) overlay.setAttribute('viewBox', `0 0 ${view.width} ${view.height}`);
  const addresses = view.outlines.join();
  if (addresses !== outlined_by) {
    outlined_by = addresses;
    outlines = [[], []];
    hovered = null;
    view.outlines.forEach((address, i) => fetch(at(address)).then((answer) => answer.json()).then((found) => {
      if (outlined_by === addresses) { outlines[i] = found; drawn = -1; }
    }));
  }
  still.hidden = !view.still;
  if (view.still) {
    still.src = at(view.still);
    paused_for_still = playing || paused_for_still;
    setPlaying(false);
    seek(view.still_frame);
  } else if (paused_for_still) {
    paused_for_still = false;
    setPlaying(true);
  }
  load('vanilla', at(view.vanilla));
  load('noisy', at(view.noisy || view.vanilla));
  screens.vanilla.caption.replaceChildren(make('b', {}, view.right === 'Edited' ? 'Before' : 'Vanilla'), ` ${view.left}`);
  screens.noisy.caption.replaceChildren(make('b', {}, view.right), ` ${view.caption}`);
  screens.noisy.message.textContent = view.noisy || view.still ? '' : view.empty;
  drawn = -1;
  // what was chosen in the picture is brought into view in the list, without moving the page
  setTimeout(() => {
    const hit = document.querySelector('#objects input:checked'), list = hit && hit.closest('.wrap');
    if (!list) return;
    const offset = hit.closest('label').getBoundingClientRect().top - list.getBoundingClientRect().top;
    if (offset < 0 || offset > list.clientHeight - 24) list.scrollTop += offset - 24;
  }, 150);
  remember(view.link);
};
// Every view is one step of the browser's Back (rooms.js goes there), but turning a knob is not: of the views that
// differ in it alone, the last stays.
const step = (text) => {
  const query = new URLSearchParams(text);
  for (const knob of ['s', 'seed', '__theme']) query.delete(knob);
  query.sort();
  return query.toString();
};
let opened = false;
const remember = (link) => {
  const theme = new URLSearchParams(location.search).get('__theme');
  const next = theme ? `${link}&__theme=${encodeURIComponent(theme)}` : link;
  history[opened && step(link) !== step(location.search) ? 'pushState' : 'replaceState'](null, '', next);
  opened = true;
};
// A list of twenty objects is one stop for the Tab key; arrows go on from there.
const rove = (list, items) => {
  const all = () => [...document.querySelectorAll(items)];
  const current = () => all().find((item) => item === document.activeElement) || all().find((item) => item.tabIndex === 0) || all()[0];
  const mark = () => { const one = current(); for (const item of all()) item.tabIndex = item === one ? 0 : -1; };
  document.addEventListener('focusin', ({ target }) => { if (target.matches(items)) mark(); });
  document.addEventListener('keydown', (event) => {
    if (!event.target.matches(items)) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const found = all(), next = found[(found.indexOf(event.target) + step + found.length) % found.length];
    next.focus();
  });
  new MutationObserver(mark).observe(document.querySelector(list), { childList: true, subtree: true });
  mark();
};
// Gradio mounts components one after the other; style.css shows them together, so that nothing jumps.
const parts = ['.top', '#rooms .rooms', '.stage .bar', '#answers .answers .asked', '#question input', '#strength input'];
const showWhenMounted = () => {
  if (parts.every((part) => document.querySelector(part))) {
    document.body.classList.add('mounted');
  } else requestAnimationFrame(showWhenMounted);
};
showWhenMounted();
// Of lists in tabs nobody knows when they come.
const whenThere = (selector, then) => {
  if (document.querySelector(selector)) then(); else setTimeout(() => whenThere(selector, then), 200);
};
for (const [list, items] of [['#rooms', '#rooms button'], ['#objects', '#objects input']]) whenThere(list, () => rove(list, items));
watch('value', update);
showPlaying();
update();
requestAnimationFrame(tick);
