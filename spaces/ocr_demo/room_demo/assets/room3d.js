// The room in 3D: dragging the room turns it, a click on a thing picks it, dragging a thing moves it. The list and the
// buttons beside it do the same by keyboard. A finger drags only what a tap has picked: else it scrolls the page, or turns
// the room. Drawn by the processor into a canvas, as parallel lines see it: that needs
// no WebGL, and the owner of every pixel is known, which is what a click asks for.
const home = `${(window.gradio_config?.root || location.origin + location.pathname).replace(/\/+$/, '')}/`;
const make = (tag, attributes = {}, text = '') => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
};
const root = element.querySelector('.room3d');
const canvas = make('canvas', { role: 'img' }), pen = canvas.getContext('2d');
const tip = make('span', { class: 'tip' }), help = make('p', { class: 'quiet' }), bar = make('div', { class: 'turns' });
const frame = make('div', { class: 'frame' });
frame.append(canvas, tip);
root.replaceChildren(frame, bar, help);
const NOISED = [255, 82, 13], PICKED = 0xffe5464f; // the latter as a pixel: alpha, blue, green, red
let view = null, parts = [], things = {}, loaded = '', picked = null, held = null, moved = { id: 0, offset: [0, 0, 0] };
let yaw = 0, tilt = 0, zoom = 1, middle = [0, 0, 0], half = [1, 1, 1], wide = 1, high = 1;
let axes = [], scale = 1, front = 0, owners = new Int32Array(0), wanted = 0;

// The file is ours (room_model.py): positions are metres of our world, +Z up, and only the nodes turn them to glTF's +Y.
const read = async (address) => {
  const file = await (await fetch(address)).arrayBuffer();
  const told = new Uint32Array(file, 0, 5), start = 20 + told[3] + 8;
  const glb = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 20, told[3])));
  const bytes = ({ byteOffset = 0, byteLength }) => new Uint8Array(file, start + byteOffset, byteLength);
  const array = (number) => {
    const { bufferView, byteOffset = 0, count, type, componentType } = glb.accessors[number];
    const Kind = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array }[componentType];
    const size = count * { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 }[type];
    return new Kind(bytes(glb.bufferViews[bufferView]).slice(byteOffset, byteOffset + size * Kind.BYTES_PER_ELEMENT).buffer);
  };
  const texels = await Promise.all((glb.images || []).map(async ({ bufferView, mimeType }) => {
    const image = await createImageBitmap(new Blob([bytes(glb.bufferViews[bufferView])], { type: mimeType }));
    const sheet = new OffscreenCanvas(image.width, image.height).getContext('2d');
    sheet.drawImage(image, 0, 0);
    return sheet.getImageData(0, 0, image.width, image.height);
  }));
  // Files of earlier versions have the edges of boxes, too
  return glb.nodes.filter((node) => node.mesh !== undefined && !node.name.startsWith('box-')).map((node) => {
    const [{ attributes, indices, material }] = glb.meshes[node.mesh].primitives;
    const { baseColorFactor = [1, 1, 1], baseColorTexture } = glb.materials?.[material]?.pbrMetallicRoughness || {};
    return {
      id: +(node.name.match(/^object-(\d+)-/)?.[1] ?? 0), points: array(attributes.POSITION), faces: array(indices),
      uv: attributes.TEXCOORD_0 === undefined ? null : array(attributes.TEXCOORD_0),
      colors: attributes.COLOR_0 === undefined ? null : array(attributes.COLOR_0),
      color: baseColorFactor.slice(0, 3).map((channel) => 255 * channel ** (1 / 2.2)),
      texture: baseColorTexture ? texels[glb.textures[baseColorTexture.index].source] : null,
    };
  });
};

// The whole of what can be picked fits, from whichever side it is seen.
const measure = () => {
  const low = [Infinity, Infinity, Infinity], top = low.map((value) => -value);
  const some = parts.filter((part) => part.id);
  for (const { points } of some.length ? some : parts)
    for (let i = 0; i < points.length; i++) {
      low[i % 3] = Math.min(low[i % 3], points[i]);
      top[i % 3] = Math.max(top[i % 3], points[i]);
    }
  middle = low.map((value, i) => (value + top[i]) / 2);
  half = low.map((value, i) => (top[i] - value) / 2);
  wide = view.front ? top[0] - low[0] : Math.hypot(top[0] - low[0], top[1] - low[1]);
  high = top[2] - low[2];
};
const aim = () => {
  const [sy, cy, st, ct] = [Math.sin(yaw), Math.cos(yaw), Math.sin(tilt), Math.cos(tilt)];
  axes = [[cy, sy, 0], [-sy * st, cy * st, ct], [sy * ct, -cy * ct, st]]; // right, up, towards the eye
  const deep = view.front ? 0 : wide * Math.abs(st);
  scale = zoom * 0.92 * Math.min(canvas.width / wide, canvas.height / (deep + high * ct));
  // Walls before all things would hide them: nothing of the building is drawn that is much nearer than things can be
  front = scale * axes[2].reduce((sum, part, k) => sum + Math.abs(part) * half[k], 0.3);
};

// Where the corners of a part are on the canvas: pixels right and up from its middle, and towards the eye.
const project = ({ id, points }) => {
  const at = new Float32Array(points.length), to = things[id]?.to || [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];
  const drag = moved.id === id ? moved.offset : [0, 0, 0];
  // One matrix for all: what edits did, what is dragged, and the view of it
  const m = axes.map((axis) => [0, 1, 2].map((k) => scale * (axis[0] * to[k] + axis[1] * to[4 + k] + axis[2] * to[8 + k])));
  const shift = axes.map((axis) => scale * axis.reduce((sum, part, k) => sum + part * (to[4 * k + 3] + drag[k] - middle[k]), 0));
  for (let i = 0; i < points.length; i += 3)
    for (let k = 0; k < 3; k++) at[i + k] = m[k][0] * points[i] + m[k][1] * points[i + 1] + m[k][2] * points[i + 2] + shift[k];
  return at;
};
const fill = (part, at, color, plain, pixels, nearest) => {
  const { width, height } = canvas, { faces, uv, colors } = part, sheet = plain || !uv ? null : part.texture;
  for (let f = 0; f < faces.length; f += 3) {
    const a = 3 * faces[f], b = 3 * faces[f + 1], c = 3 * faces[f + 2];
    const ux = at[b] - at[a], uy = at[b + 1] - at[a + 1], uz = at[b + 2] - at[a + 2];
    const vx = at[c] - at[a], vy = at[c + 1] - at[a + 1], vz = at[c + 2] - at[a + 2];
    const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
    if (nz < 1e-6) continue; // seen from behind: so walls between the eye and the room don't hide it
    const light = 0.5 + 0.5 * Math.max(0, (0.25 * nx + 0.45 * ny + 0.86 * nz) / Math.hypot(nx, ny, nz));
    const first = plain || !colors ? 0 : faces[f] * colors.length / (at.length / 3), own = plain || !colors ? color : colors;
    const red = light * own[first], green = light * own[first + 1], blue = light * own[first + 2];
    const flat = 0xff000000 | (blue << 16) | (green << 8) | red;
    // In pixels from the canvas's upper left corner on
    const x = width / 2 + at[a], y = height / 2 - at[a + 1];
    const left = Math.max(0, Math.ceil(x + Math.min(0, ux, vx) - 0.5)), right = Math.min(width - 1, x + Math.max(0, ux, vx) - 0.5);
    const upper = Math.max(0, Math.ceil(y - Math.max(0, uy, vy) - 0.5)), lower = Math.min(height - 1, y - Math.min(0, uy, vy) - 0.5);
    for (let row = upper; row <= lower; row++)
      for (let column = left; column <= right; column++) {
        // Shares of the corners b and c; lines that stay parallel make them right for depth and texture, too
        const px = column + 0.5 - x, py = y - row - 0.5, s = (px * vy - py * vx) / nz, t = (ux * py - uy * px) / nz;
        if (s < 0 || t < 0 || s + t > 1) continue;
        const i = row * width + column, depth = at[a + 2] + s * uz + t * vz;
        if (depth <= nearest[i] || !part.id && depth > front) continue;
        nearest[i] = depth;
        owners[i] = part.id;
        pixels[i] = flat;
        if (!sheet) continue;
        const p = 2 * faces[f], q = 2 * faces[f + 1], r = 2 * faces[f + 2];
        const u = uv[p] + s * (uv[q] - uv[p]) + t * (uv[r] - uv[p]), v = uv[p + 1] + s * (uv[q + 1] - uv[p + 1]) + t * (uv[r + 1] - uv[p + 1]);
        const o = 4 * (Math.floor((v - Math.floor(v)) * sheet.height) * sheet.width + Math.floor((u - Math.floor(u)) * sheet.width));
        pixels[i] = 0xff000000 | (blue * sheet.data[o + 2] / 255 << 16) | (green * sheet.data[o + 1] / 255 << 8) | red * sheet.data[o] / 255;
      }
  }
};
const draw = () => {
  wanted = 0;
  const { width, height } = canvas;
  if (!parts.length || !width) return;
  aim();
  const noised = (document.querySelector('.stage')?.dataset.perturbed || '').split('.').map(Number);
  const picture = pen.createImageData(width, height), pixels = new Uint32Array(picture.data.buffer);
  const nearest = new Float32Array(width * height).fill(-Infinity);
  owners = new Int32Array(width * height);
  for (const part of parts) {
    if (part.id && !things[part.id]) continue; // an edit removed it
    const color = part.id && noised.includes(part.id) ? NOISED : things[part.id]?.color;
    fill(part, project(part), color || part.color, Boolean(color), pixels, nearest);
  }
  // A line around what is picked: pixels of others beside its own
  if (picked) owners.forEach((id, i) => { if (id !== picked && [1, -1, width, -width].some((step) => owners[i + step] === picked)) pixels[i] = PICKED; });
  pen.putImageData(picture, 0, 0);
  root.dataset.drawn = view.clip;
};
const redraw = () => { wanted ||= requestAnimationFrame(draw); };
const turn = (right, up) => {
  yaw += right;
  tilt += up;
  // The plane in which things are dragged, the floor or the shelf's front, is never seen from its edge
  if (view?.front) yaw = Math.min(1, Math.max(-1, yaw));
  tilt = view?.front ? Math.min(0.9, Math.max(-0.2, tilt)) : Math.min(1.57, Math.max(0.35, tilt));
  redraw();
};
for (const [text, name, act] of [
  ['↺', 'Turn the room to the left', () => turn(0.3, 0)], ['↻', 'Turn the room to the right', () => turn(-0.3, 0)],
  ['⤒', 'See it from higher up', () => turn(0, 0.25)], ['⤓', 'See it from further down', () => turn(0, -0.25)],
  ['+', 'Larger', () => { zoom = Math.min(4, zoom * 1.25); redraw(); }], ['−', 'Smaller', () => { zoom = Math.max(0.6, zoom / 1.25); redraw(); }],
]) {
  const button = make('button', { type: 'button', 'aria-label': name, title: name }, text);
  button.addEventListener('click', act);
  bar.append(button);
}
const ownerAt = (event) => {
  const box = canvas.getBoundingClientRect();
  return owners[Math.floor(event.clientY - box.top) * canvas.width + Math.floor(event.clientX - box.left)] || 0;
};
// Metres in the plane of the floor, or of the shelf's front, that look like so many pixels to the right and up.
const metres = (x, y) => {
  const [across, up] = [x / scale, y / scale], [sy, cy, st, ct] = [Math.sin(yaw), Math.cos(yaw), Math.sin(tilt), Math.cos(tilt)];
  if (view.front) return [across / cy, 0, (up + sy * st * across / cy) / ct];
  return [across * cy - up / st * sy, across * sy + up / st * cy, 0];
};
const pick = (id) => document.dispatchEvent(new CustomEvent('wish-thing', { detail: id }));
// Which swipes scroll is settled when the finger comes down, by style.css and here
canvas.addEventListener('touchstart', (event) => {
  if (event.cancelable && view?.editable && picked && ownerAt(event.touches[0]) === picked) event.preventDefault();
}, { passive: false });
canvas.addEventListener('pointerdown', (event) => {
  if (!view) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  const id = view.editable ? ownerAt(event) : 0, finger = event.pointerType === 'touch';
  const at = [event.clientX, event.clientY];
  held = { id: finger && id !== picked ? 0 : id, tapped: finger ? id : 0, from: at, last: at, far: false };
  if (id && !finger) pick(id);
});
canvas.addEventListener('pointermove', (event) => {
  const id = held ? 0 : ownerAt(event);
  tip.textContent = id ? things[id]?.name : '';
  tip.style.left = `${Math.min(event.offsetX + 12, canvas.width - 90)}px`;
  tip.style.top = `${event.offsetY + 14}px`;
  if (!held) return;
  const [x, y] = [event.clientX - held.from[0], event.clientY - held.from[1]];
  held.far ||= Math.hypot(x, y) > 5; // a hand that trembles still clicks
  if (held.id && held.far) {
    moved = { id: held.id, offset: metres(x, -y) };
    redraw();
  } else if (!held.id) turn((held.last[0] - event.clientX) / 150, (event.clientY - held.last[1]) / 150);
  held.last = [event.clientX, event.clientY];
});
canvas.addEventListener('pointerleave', () => { tip.textContent = ''; });
canvas.addEventListener('pointercancel', () => { held = null; moved = { ...moved, id: 0 }; redraw(); });
canvas.addEventListener('pointerup', () => {
  const done = held;
  held = null;
  // It stays where it was let go until the server has said where it stands
  if (done?.tapped && !done.far) pick(done.tapped);
  if (done?.id && done.far) wish({ action: 'move', object: done.id, offset: moved.offset });
});
const wish = (asked) => {
  if (!view) return;
  root.classList.add('busy');
  document.dispatchEvent(new CustomEvent('wish-edit', { detail: { ...asked, clip: view.clip } }));
};
document.addEventListener('act', ({ detail }) => wish(detail));
document.addEventListener('thing-shown', ({ detail }) => { picked = detail; redraw(); });
document.addEventListener('stage-shows', redraw);
document.addEventListener('act-failed', () => update());
const show = async () => {
  canvas.width = frame.clientWidth;
  canvas.height = frame.clientHeight;
  // In a tab that nobody has opened there is nothing to draw
  if (!view || !canvas.width) return;
  if (loaded !== view.clip) {
    const clip = loaded = view.clip, found = await read(new URL(view.model, home).href);
    if (loaded !== clip) return;
    parts = found;
    [yaw, tilt, zoom] = view.front ? [0.25, 0.12, 1] : [0.5, 0.85, 1];
    measure();
  }
  redraw();
};
const update = () => {
  root.classList.remove('busy');
  moved = { ...moved, id: 0 };
  if (!props.value) return;
  view = JSON.parse(props.value);
  things = Object.fromEntries(view.objects.map((thing) => [thing.id, thing]));
  canvas.setAttribute('aria-label', `The room in 3D: ${view.objects.map(({ name }) => name).join(', ')}`);
  const finger = matchMedia('(pointer: coarse)').matches, turning = finger ? 'Swipe sideways to turn the room.' : 'Drag the room to turn it.';
  const moving = finger ? 'Tap a thing to pick it, then drag it.' : 'Drag a thing to move it, click one to pick it.';
  help.textContent = `${turning} ${view.editable ? moving : ''}`;
  show();
};
new ResizeObserver(show).observe(frame);
watch('value', update);
update();
