"""Draws the diagrams of docs/concepts.md, as SVG: boxes, arrows and words, legible on light and dark pages.

python docs/draw_concepts.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
INK, SOFT, BLUE, RED, GREEN, GREY = "#1f2933", "#52606d", "#d6e4ff", "#ffd9d4", "#d7f2dc", "#eef1f5"


class Drawing:
    """Boxes and arrows on white paper; all lengths in pixels."""

    def __init__(self, name: str, width: int, height: int) -> None:
        self.name, self.parts = name, [f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>']
        self.size = width, height

    def text(self, x: float, y: float, words: str, size: int = 14, colour: str = INK, middle: bool = True) -> None:
        """Write words with their middle (or left end) at a place; a new line for each line."""
        anchor = "middle" if middle else "start"
        for number, line in enumerate(words.split("\n")):
            self.parts.append(
                f'<text x="{x}" y="{y + number * (size + 4)}" font-size="{size}" fill="{colour}" '
                f'text-anchor="{anchor}">{escape(line)}</text>'
            )

    def box(self, x: float, y: float, width: float, height: float, words: str, fill: str = GREY) -> None:
        """Draw a box with words in its middle."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{SOFT}"/>'
        )
        lines = words.count("\n")
        self.text(x + width / 2, y + height / 2 + 5 - 9 * lines, words)

    def arrow(self, *points: tuple[float, float], colour: str = INK, dashed: bool = False) -> None:
        """Draw a line through the points with a head at its end."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" '
            f'marker-end="url(#head)"{dash}/>'
        )

    def save(self) -> None:
        """Write the file."""
        width, height = self.size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="system-ui, sans-serif">\n<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" '
            f'markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0,0L10,5L0,10z" fill="{INK}"/>'
            "</marker></defs>\n"
        )
        (IMAGES / f"{self.name}.svg").write_text(head + "\n".join(self.parts) + "\n</svg>\n", encoding="utf-8")


def query_lock() -> None:
    """Where a locked model and a looking model attend."""
    drawing = Drawing("concept_query_lock", 820, 330)
    drawing.text(410, 28, "“Which is closer to the sofa, the lamp or the table?”", 16)
    for left, title in ((20, "a locked model"), (420, "a model that looks")):
        locked = left == 20
        drawing.text(left + 190, 60, title, 15)
        drawing.parts.append(f'<rect x="{left}" y="72" width="380" height="190" rx="8" fill="{GREY}" stroke="{SOFT}"/>')
        for x, y, words in ((20, 20, "sofa"), (150, 110, "lamp"), (270, 40, "table")):
            drawing.box(left + x, 72 + y, 80, 40, words, RED)
        for x, y, words in ((30, 130, "door"), (270, 130, "shelf"), (150, 20, "window")):
            drawing.box(left + x, 72 + y, 80, 40, words, "#ffffff" if locked else BLUE)
    drawing.text(210, 286, "named objects noised: everything lost\nall else noised: nothing lost", 14, SOFT)
    drawing.text(
        610,
        286,
        "knows where the named things are from what\nis around them; follows when the scene is edited",
        14,
        SOFT,
    )
    drawing.save()


def clip() -> None:
    """From a scene to rows."""
    drawing = Drawing("concept_clip", 900, 330)
    drawing.box(20, 120, 120, 70, "3D scene\nboxes, meshes", GREEN)
    drawing.box(180, 120, 120, 70, "camera path\nposes, lens")
    drawing.box(340, 40, 140, 60, "frames\n(T, H, W, 3)", BLUE)
    drawing.box(340, 125, 140, 60, "instance maps\nand depth", BLUE)
    drawing.box(520, 125, 130, 60, "footprints\nCOCO RLE")
    drawing.box(520, 40, 130, 60, "noisy video\nonly the region", RED)
    drawing.box(340, 240, 310, 60, "questions with answers, checked\nVSI-Bench's eight kinds", GREEN)
    drawing.box(740, 120, 140, 80, "rows\nload_dataset\n(“ocr-vsi”)")
    drawing.arrow((140, 155), (178, 155))
    drawing.arrow((300, 145), (338, 75))
    drawing.arrow((300, 158), (338, 155))
    drawing.arrow((480, 155), (518, 155))
    drawing.arrow((480, 70), (518, 70))
    drawing.arrow((585, 125), (585, 102))
    drawing.arrow((585, 185), (585, 238))
    drawing.arrow((80, 190), (80, 270), (338, 270))
    drawing.arrow((650, 70), (700, 70), (738, 140))
    drawing.arrow((650, 155), (738, 158))
    drawing.arrow((650, 270), (700, 270), (738, 185))
    drawing.save()


def media_ids() -> None:
    """A group of rollouts and the videos that they see."""
    drawing = Drawing("concept_media_ids", 820, 320)
    for number in range(8):
        noisy = number >= 4
        drawing.box(
            20,
            30 + number * 33,
            170,
            27,
            f"rollout {number + 1}: {'id n' if noisy else 'id v'}",
            RED if noisy else BLUE,
        )
    drawing.box(290, 60, 210, 70, "id v\nclip, nothing done", BLUE)
    drawing.box(290, 190, 210, 70, "id n\nclip + noise on 3, 7", RED)
    drawing.text(395, 40, "video store: each encoded once", 14, SOFT)
    drawing.arrow((190, 92), (288, 95))
    drawing.arrow((190, 225), (288, 225))
    drawing.box(600, 50, 190, 60, "generate\nunder its own id")
    drawing.box(600, 130, 190, 70, "old, reference and\npolicy log-probs")
    drawing.box(600, 220, 190, 60, "loss, one backward\nthrough each video")
    drawing.arrow((500, 90), (598, 80))
    drawing.arrow((500, 105), (598, 150))
    drawing.arrow((500, 215), (598, 95))
    drawing.arrow((500, 225), (598, 175), dashed=True)
    drawing.arrow((695, 200), (695, 218))
    drawing.text(545, 312, "dashed: only with score_under: own; by default all are scored under v", 13, SOFT)
    drawing.save()


def twins() -> None:
    """One question, three videos."""
    drawing = Drawing("concept_twins", 820, 330)
    drawing.text(410, 28, "“Which is closer to the sofa: A. the lamp, B. the table?”", 16)
    columns = (
        ("as it is", "B", 240, True),
        ("twin: the lamp moved", "A", 110, True),
        ("control: a chair is gone", "B", 240, False),
    )
    for number, (title, answer, lamp, chair) in enumerate(columns):
        left = 20 + number * 265
        drawing.text(left + 125, 58, title, 14)
        drawing.parts.append(f'<rect x="{left}" y="70" width="250" height="150" rx="8" fill="{GREY}" stroke="{SOFT}"/>')
        drawing.box(left + 12, 82, 80, 40, "sofa", BLUE)
        drawing.box(left + 120, 162, 70, 40, "table", "#ffffff")
        x, y = (left + 168, 82) if lamp == 240 else (left + 100, 88)
        drawing.box(x, y, 60, 34, "lamp", RED if lamp != 240 else "#ffffff")
        if chair:
            drawing.box(left + 12, 170, 60, 34, "chair", "#ffffff")
        drawing.text(left + 125, 248, f"answer: {answer}", 15)
    drawing.text(410, 284, "same camera, same walk, same words; both answers derived from the geometry", 14, SOFT)
    drawing.text(410, 306, "who doesn't look gives one answer to all three, and gets no pair", 14, SOFT)
    drawing.save()


if __name__ == "__main__":
    for draw in (query_lock, clip, media_ids, twins):
        draw()
