// What a visitor asks for by our own scripts, as a value: Gradio forgets the data of an event that has to wait until an
// earlier one has ended, but reads the values of components when its turn comes.
const wishes = [];
let count = 0;
document.addEventListener(`wish-${element.querySelector('[data-kind]').dataset.kind}`, ({ detail }) => {
  count += 1;
  wishes.push([count, detail]);
  props.value = JSON.stringify(wishes.slice(-64));
  trigger('select');
});
