// The strip of stories and rooms: one button each, with a picture where the room has been filmed.
const home = `${(window.gradio_config?.root || location.origin + location.pathname).replace(/\/+$/, '')}/`;
const strip = element.querySelector('.rooms');
const open = (what) => {
  strip.classList.add('busy');
  document.dispatchEvent(new CustomEvent('wish-room', { detail: what }));
};
const update = () => {
  if (!props.value) return;
  const { rooms, current } = JSON.parse(props.value);
  const focused = strip.contains(document.activeElement) ? document.activeElement.dataset.room : null;
  strip.replaceChildren(...rooms.map(({ id, title, picture, story }) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.room = id;
    if (story) button.classList.add('story');
    button.setAttribute('aria-pressed', String(id === current));
    if (picture) {
      const image = document.createElement('img');
      image.src = new URL(picture, home).href;
      image.alt = '';
      button.append(image);
    } else {
      const blank = document.createElement('span');
      blank.className = 'blank';
      button.append(blank);
    }
    const name = document.createElement('span');
    name.className = 'name';
    name.textContent = title;
    button.append(name);
    button.addEventListener('click', () => {
      open(id);
    });
    return button;
  }));
  strip.classList.remove('busy');
  if (focused) [...strip.children].find((button) => button.dataset.room === focused)?.focus();
};
// Back and Forward open what their address shows, as a link does.
addEventListener('popstate', () => {
  open(location.search || '?');
});
watch('value', update);
update();
