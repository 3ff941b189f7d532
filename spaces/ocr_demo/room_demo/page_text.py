"""What the page says: header, help, formats, about."""

HEADER = """<div class="top"><h1><b>OCR-HF</b> · does it look at the room, or only at what the question names?
<small>OCR: Object-Centric 3D Rollout, not text recognition</small></h1>
<p>A <b>query-locked</b> model looks at what the question names, not at the room. <span class="how">Click an object: it
dissolves into <em>noise</em> on the right, and the bars show where the answer goes.</span></p></div>"""

POLICIES = "Chosen: what you click or tick. Queried: what the question names. Context: what it doesn't name."
MODES = "Gaussian hides pixels as diffusion does; the others move, resize, bend or shake the objects in 3D."
LOOK = (
    "The curves: how likely the model's own answer stays as noise grows. The pictures: the very frames that the model "
    "saw; what is orange moves the answer when it is noise."
)

EMPTY = {
    "chosen": "Nothing is perturbed yet: click an object",
    "queried": "The question names no object that the clip shows",
    "context": "There is no visible object to draw from",
    "random": "There is no visible object to draw from",
}

UPLOAD = """\
**A GLB scene** in metres, one node per object part, named like `chair_2#seat`; walls, floor and ceiling are recognised
by name. At most 64 MiB and 300,000 triangles, everything embedded. Filming takes up to a minute.

**A clip**: MP4 (at most 120 s, 64 MiB, 1920x1080) and a JSON file with one pose per video frame:
```json
{"intrinsics": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
 "camera_to_world": [[[r, r, r, x], [r, r, r, y], [r, r, r, z], [0, 0, 0, 1]], "..."],
 "objects": [{"label": "chair", "center": [x, y, z], "size": [x, y, z], "rotation": "3x3, may be left out"}]}
```
Metres, +Z up; camera axes as in OpenCV (x right, y down, z forward). Uploads are seen by whoever has their link and are
removed after two hours.
"""

ABOUT = """\
### The method
*Object-Centric 3D Rollout* ([arXiv 2511.13190](https://arxiv.org/abs/2511.13190)) trains video language models to
reason about 3D scenes. Objects are picked in 3D, their pixels are found in every frame, and only those are
perturbed. Training compares answers on the vanilla video and on region-noisy ones. The paper's diagnosis is
*query-locked reasoning*: a model looks only at the objects that the question names and misses the room around them.

### What this page shows
* **Gaussian** noise is diffusion noise on exactly the visible pixels of the chosen objects; strength 0.5 is diffusion
  step 500 of 1000. **Geometry** moves and turns (**rigid**), resizes (**scale**) or bends (**warp**) each object in 3D,
  by a share of its box's diagonal; what it uncovers is filled from around. **Jitter** displaces pieces of the surface.
  With gaussian and jitter, what the model sees outside the footprints is bit-identical; the videos you watch are
  compressed after.
* Questions, options and answers are computed from the scene's geometry, in VSI-Bench's wording. Prompts, extraction and
  scores (right or wrong; for numbers MRA, mean relative accuracy, which is how many of ten tolerances an answer keeps)
  are those of `ocr-hf eval`.
* **Stories** are shelves of ocr-hf's experiment: a question names a thing whose colour says one section, and the rule
  is where the lamp stands. Two small models were trained for it: one to read the colour, and one, from its weights, by
  reinforcement learning that rewards the truth. They see four frames of 112x84; the film is for people.
* **Test the lock** asks the two about forty more shelves, on which colour and rule agree, so that both can be right;
  then the lamp is moved, and the thing repainted. Who reads the colour doesn't follow the lamp, and does follow the
  paint.
  These are two of the four parts of ocr-hf's measure, sensitivity and specificity.
* **Editing a room** renders it again and works out the right answer anew from its geometry.
* A model sees as many frames as it was trained on (16 where that isn't known), sampled evenly. Bars show how the
  first token's probability is shared among the letters.
* **Former query-lock index** = how much answers change when the named objects are noised, minus how much they change
  when as many other pixels are, in per cent; its interval is a bootstrap over rooms. It can't tell a locked model from
  one that must see the named objects to answer: noise takes both models' answers away. What can tell them apart is the
  measure of ocr-hf's `docs/measure.md`: `ocr-hf eval` with `--audit recovery`, and with `--split twins`.

### Ours, and its limits
The paper publishes neither how many objects it perturbs nor how strongly: policies, counts and strengths are ours.
The bundled rooms are procedural, not scans. Clips with boxes only know no occlusion: noise covers whole boxes.
An answer that changes on one question proves little; the table is there for that. Models may be wrong.

Licence: Apache-2.0, code and rooms.
"""
