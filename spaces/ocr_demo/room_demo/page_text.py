"""What the page says: header, help, formats, about."""

HEADER = """<div class="top"><h1><b>OCR-HF</b> · does the model look where the question points?</h1>
<p>Pick a room, click an object: it dissolves into <em>noise</em> in the right video. Ask, and see whether the answer
changes. OCR is <b>Object-Centric 3D Rollout</b>, not text recognition.</p></div>"""

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
  scores (right or wrong; MRA, mean relative accuracy, for numbers) are those of `ocr-hf eval`.
* A model sees as many frames as it was trained on (16 where that isn't known), sampled evenly. Bars show how the
  first token's probability is shared among the letters.
* **Query-lock index** = how much answers change when the named objects are noised, minus how much they change when as
  many other pixels are, in per cent. A high index means: the model reads the named objects and little else. Its
  interval is a bootstrap over rooms.

### Ours, and its limits
The paper publishes neither how many objects it perturbs nor how strongly: policies, counts and strengths are ours.
The bundled rooms are procedural, not scans. Clips with boxes only know no occlusion: noise covers whole boxes.
An answer that changes on one question proves little; the table and the index are there for that. Models may be wrong.

Licence: Apache-2.0, code and rooms.
"""
