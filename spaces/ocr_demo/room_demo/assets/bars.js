// The answers beside the videos: bars that move from what they showed to what they show now.
// Text from models and scenes reaches the page through textContent only.
const root = element.querySelector('.answers');
const make = (tag, name = '', text = '') => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  return node;
};
let shape = '', parts = [];
const head = make('div', 'asked'), warning = make('div', 'warn'), body = make('div');
// Until then it keeps their place: after a start the models take seconds to be loaded
body.append(make('p', 'empty', 'The models\' answers will show here.'));
root.replaceChildren(head, warning, body);
const SIDES = ['vanilla', 'noisy'];

// Nodes are kept as long as the same options of the same models are shown, so that bars move instead of jumping.
const build = (models) => {
  parts = models.map((model) => {
    const card = make('section', 'model'), title = make('div', 'title'), verdicts = make('div', 'verdicts');
    const name = make('b', '', model.name), seen = make('span', 'seen'), badge = make('span', 'badge change');
    title.append(name, seen, badge);
    const sides = model.sides.map((_, i) => {
      const line = make('div', `side ${SIDES[i]}`);
      const node = { what: make('span', 'what'), value: make('span', 'value'), badge: make('span', 'badge'), raw: make('div', 'raw') };
      line.append(node.what, node.value, node.badge, node.raw);
      verdicts.append(line);
      return node;
    });
    const list = make('div', 'options');
    const options = model.options.map((option) => {
      const row = make('div', 'option'), text = make('span', 'name', option.text), tracks = make('span', 'tracks');
      const fills = SIDES.map((side) => {
        const track = make('span', 'track'), fill = make('span', `fill ${side}`);
        fill.style.width = '0%';
        track.append(fill);
        tracks.append(track);
        return fill;
      });
      const share = make('span', 'share');
      row.append(text, tracks, share);
      list.append(row);
      return { row, fills, share };
    });
    const note = make('div', 'raw');
    card.append(title, verdicts, list, note);
    body.append(card);
    return { card, name, seen, badge, sides, options, note };
  });
};

const update = () => {
  if (!props.value) return;
  const told = JSON.parse(props.value);
  // Models that have yet to answer keep their place, so that nothing below them moves.
  const models = told.models.length ? told.expected.map((name, m) => told.models[m] || { ...told.models[0], name }) : [];
  const next = JSON.stringify(models.map((model) => [model.name, model.options.map((option) => option.text)]));
  head.replaceChildren(told.question, make('small', '', [told.kind, told.truth].filter(Boolean).join(' · ')));
  warning.textContent = told.warning;
  warning.hidden = !told.warning;
  if (told.models.length && next !== shape) {
    body.replaceChildren();
    build(models);
    shape = next;
  }
  root.classList.toggle('stale', !told.models.length);
  root.dataset.link = told.link;
  if (!told.models.length) return;
  parts.forEach(({ card }, m) => card.classList.toggle('waits', !told.models[m]));
  requestAnimationFrame(() => requestAnimationFrame(() => told.models.forEach((model, m) => {
    const part = parts[m];
    if (!part) return;
    part.seen.textContent = model.seen;
    part.badge.textContent = model.words;
    part.badge.dataset.change = model.change;
    part.badge.classList.toggle('moved', model.change !== 'no' && model.change !== 'unread');
    model.sides.forEach((side, i) => {
      const node = part.sides[i];
      node.what.textContent = told.titles[i];
      node.value.textContent = side.value || 'no valid answer';
      node.value.classList.toggle('none', !side.value);
      node.badge.textContent = side.badge;
      node.badge.className = `badge ${side.mood}`;
      node.badge.hidden = !side.badge;
      node.raw.textContent = side.raw ? `As written: ${side.raw}` : '';
      node.raw.hidden = !side.raw;
    });
    model.options.forEach((option, o) => {
      const node = part.options[o];
      node.fills.forEach((fill, i) => { fill.style.width = `${100 * option.shares[i]}%`; });
      const [a, b] = option.shares.map((share) => Math.round(100 * share));
      node.share.textContent = a === b ? `${a} %` : `${a} → ${b} %`;
      node.row.classList.toggle('right', option.right[1]);
      node.row.classList.toggle('was-right', option.right[0] && !option.right[1]);
    });
    part.note.textContent = model.note;
    part.note.hidden = !model.note;
  })));
};
// What belongs to an older setting is dimmed at once, and stays so until it is renewed.
const ASKS = '#strength, #mode, #policy, #objects, #count, #seed, #question, #task, #model-a, #model-b, #thinking';
const dim = ({ target }) => { if (target.closest && target.closest(ASKS)) root.classList.add('stale'); };
document.addEventListener('input', dim);
document.addEventListener('change', dim);
watch('value', update);
update();
