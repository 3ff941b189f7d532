// The strip of rooms: one button each, with a picture where the room has been filmed.
const strip = element.querySelector('.rooms');
const update = () => {
  if (!props.value) return;
  const { rooms, current } = JSON.parse(props.value);
  strip.replaceChildren(...rooms.map(({ id, title, picture }) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.room = id;
    button.setAttribute('aria-pressed', String(id === current));
    if (picture) {
      const image = document.createElement('img');
      image.src = picture;
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
      strip.classList.add('busy');
      trigger('select', { index: 0, value: id });
    });
    return button;
  }));
  strip.classList.remove('busy');
};
watch('value', update);
update();
