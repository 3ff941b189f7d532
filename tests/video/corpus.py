"""A corpus of videos as cameras, phones, screen recorders and cutters leave them, made by ffmpeg.

Every file shows moving test pictures of 64x48, 24 frames, 24 a second, unless its recipe says otherwise.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FFMPEG = shutil.which("ffmpeg")
FRAMES, FPS = 24, 24

_SOURCE = f"-f lavfi -i testsrc2=size=64x48:rate={FPS}:duration=1"
_X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
_B_FRAMES = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 3 -g 9 -sc_threshold 0"
_X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=error"
_TONE = "-f lavfi -i sine=duration=1"
_FFV1 = f"{_SOURCE} -c:v ffv1 -pix_fmt"

BASE = {
    "b_frames.mp4": f"{_SOURCE} {_B_FRAMES}",
    "open_gop.mp4": f"{_SOURCE} -c:v libx264 -x264-params open-gop=1:keyint=8:bframes=3:scenecut=0 -pix_fmt yuv420p",
    "cover.png": f"{_SOURCE} -vf scale=32:24 -frames:v 1",
}
"""What other files are made of, by copying packets; `{name}` in a recipe stands for such a file."""

_CUTS = {f"cut_{tenths}.mp4": (f"-ss 0.{tenths} -i {{b_frames.mp4}} -c copy", tenths / 10) for tenths in range(1, 10)}
EDIT_LISTS = _CUTS | {
    "cut.mov": ("-ss 0.4 -i {b_frames.mp4} -c copy", 0.4),
    "negative_times.mp4": ("-itsoffset -0.4 -i {b_frames.mp4} -c copy -avoid_negative_ts disabled", 0.4),
    "starts_later.mp4": ("-itsoffset 0.5 -i {b_frames.mp4} -c copy", -0.5),
    "starts_at_100000.mp4": ("-i {b_frames.mp4} -c copy -output_ts_offset 100000", -1e5),
}
"""Copies of a video from a time (seconds) on: their recipe and that time, below 0 where they begin later."""
CONTAINERS = {
    f"container.{end}": "-i {b_frames.mp4} -c copy" for end in ("mkv", "mov", "flv", "nut", "m4v", "3gp", "f4v")
} | {
    "fragments.mp4": "-i {b_frames.mp4} -c copy -movflags frag_keyframe+empty_moov",
    "motion_jpeg.avi": f"{_SOURCE} -c:v mjpeg",
    "lossless.avi": f"{_SOURCE} -c:v huffyuv",
    "vp8.webm": f"{_SOURCE} -c:v libvpx -deadline realtime -auto-alt-ref 1 -lag-in-frames 8",
    "vp9.webm": f"{_SOURCE} -c:v libvpx-vp9 -deadline realtime -cpu-used 8",
    "hevc.mp4": f"{_SOURCE} {_X265}",
    "mpeg4.mp4": f"{_SOURCE} -c:v mpeg4 -bf 2",
    "animation.gif": f"{_SOURCE} -c:v gif",
}
CLOCKS = {
    "variable.mp4": f"{_SOURCE} -vf select='not(mod(n,3))+eq(mod(n,7),1)' -vsync vfr {_X264}",
    "variable.mkv": f"{_SOURCE} -vf select='not(mod(n,3))+eq(mod(n,7),1)' -vsync vfr {_B_FRAMES}",
    "ntsc.mp4": f"{_SOURCE} -r 30000/1001 {_X264}",
    **{
        f"base_{base}.mp4": f"{_SOURCE} -video_track_timescale {base} {_B_FRAMES}" for base in (24, 1000, 90000, 999983)
    },
    "one_frame.mp4": f"{_SOURCE} -frames:v 1 {_X264}",
    "slow.mp4": f"-f lavfi -i testsrc2=size=64x48:rate=1/7:duration=42 {_X264}",
    "fast.mp4": f"-f lavfi -i testsrc2=size=64x48:rate=1000:duration=0.02 {_X264}",
}
STREAMS = {
    "early_sound.mp4": f"-itsoffset 0.4 -i {{b_frames.mp4}} {_TONE} -map 0:v -map 1:a -c:v copy -c:a aac",
    "sound_first.mkv": f"{_TONE} -i {{b_frames.mp4}} -map 0:a -map 1:v -c:v copy -c:a aac",
    "cover_after.mp4": "-i {b_frames.mp4} -i {cover.png} -map 0 -map 1 -c copy -disposition:v:1 attached_pic",
    "cover_before.mp4": "-i {cover.png} -i {b_frames.mp4} -map 0 -map 1 -c copy -disposition:v:0 attached_pic",
    "small_first.mp4": f"-f lavfi -i testsrc=size=32x32:rate=9:duration=1 -i {{b_frames.mp4}} -map 0 -map 1 {_X264}",
    "large_first.mp4": f"-i {{b_frames.mp4}} -f lavfi -i testsrc=size=32x32:rate=9:duration=1 -map 0 -map 1 {_X264}",
    "default_second.mkv": f"{_SOURCE} -i {{b_frames.mp4}} -map 0 -map 1 {_X264} -disposition:v:0 0 "
    "-disposition:v:1 default",
}
SHAPES = {
    **{
        f"turned_{angle}.mp4": f"-i {{b_frames.mp4}} -c copy -metadata:s:v:0 rotate={angle}" for angle in (90, 180, 270)
    },
    "flat_pixels.mp4": f"{_SOURCE} -vf setsar=4/3 {_X264}",
    "even_62x46.mp4": f"{_SOURCE} -vf scale=62:46 {_X264}",
    "odd_61x47.webm": f"{_SOURCE} -vf scale=61:47 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p",
    "odd_height.mkv": f"{_FFV1} yuv420p -vf scale=64:47",
    "odd_width.mkv": f"{_FFV1} yuv420p -vf scale=61:48",
    "odd_422.mkv": f"{_FFV1} yuv422p -vf scale=61:47",
    "odd_444.mp4": f"{_SOURCE} -vf crop=61:47:exact=1 -c:v libx264 -preset ultrafast -pix_fmt yuv444p",
    "interlaced.mp4": f"{_SOURCE} -vf tinterlace=interleave_top -flags +ilme+ildct {_X264}",
}
COLOURS = {
    **{
        f"{matrix}_{bits}.mp4": f"{_SOURCE} -vf scale=out_color_matrix={matrix} {codec} -colorspace {space}"
        for matrix, space in (("bt601", "smpte170m"), ("bt709", "bt709"), ("bt2020", "bt2020nc"))
        for bits, codec in ((8, _X264), (10, f"{_X265} -pix_fmt yuv420p10le"))
    },
    "full_range.mp4": f"{_SOURCE} -c:v libx264 -preset ultrafast -pix_fmt yuvj420p",
    "full_range_709.mp4": f"{_SOURCE} -vf scale=out_color_matrix=bt709:out_range=full {_X264} -color_range pc "
    "-colorspace bt709",
    "hdr10.mp4": f"{_SOURCE} {_X265} -pix_fmt yuv420p10le -colorspace bt2020nc -color_primaries bt2020 "
    "-color_trc smpte2084",
    "hlg.mp4": f"{_SOURCE} {_X265} -pix_fmt yuv420p10le -colorspace bt2020nc -color_trc arib-std-b67",
    "top_left_chroma.mp4": f"{_SOURCE} -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le "
    "-x265-params log-level=error:chromaloc=2",
    "h264_10.mp4": f"{_SOURCE} -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le",
    "h264_422_10.mp4": f"{_SOURCE} -c:v libx264 -preset ultrafast -pix_fmt yuv422p10le",
    **{
        f"{name}.mkv": f"{_FFV1} {name}"
        for name in ("gray", "yuv444p", "yuv420p12le", "yuv411p", "yuv440p", "yuva420p")
    },
    "alpha.mov": f"{_SOURCE} -c:v qtrle -pix_fmt argb",
}
LEVEL_OFF = {
    "deep_rgb.mkv": f"{_FFV1} gbrp10le",
    "deep_png.mkv": f"{_SOURCE} -c:v png -pix_fmt rgb48be",
}
"""More than 8 bits of RGB: two versions of swscale round differently, by one level."""
KINDS = {
    "containers": CONTAINERS,
    "clocks": CLOCKS,
    "streams": STREAMS,
    "shapes": SHAPES,
    "colours": COLOURS,
    "deep RGB": LEVEL_OFF,
}
EQUAL = {name: recipe for kind in KINDS.values() for name, recipe in kind.items()}
"""Files that torchcodec opens and decodes."""

UNINDEXED = {
    "copy.ts": ("-i {b_frames.mp4} -c copy", "b_frames.mp4"),
    "late_video.ts": (
        f"-itsoffset 0.4 -i {{b_frames.mp4}} {_TONE} -map 0:v -map 1:a -c:v copy -c:a mp2",
        "b_frames.mp4",
    ),
    "clock_wraps.ts": ("-i {b_frames.mp4} -c copy -output_ts_offset 95442.9", "b_frames.mp4"),
    "open_gop.ts": ("-i {open_gop.mp4} -c copy", "open_gop.mp4"),
    "blu_ray.m2ts": ("-i {b_frames.mp4} -c copy", "b_frames.mp4"),
    "reordered.avi": ("-i {b_frames.mp4} -c copy", "b_frames.mp4"),
    "raw.h264": ("-i {b_frames.mp4} -c copy -bsf:v h264_mp4toannexb", "b_frames.mp4"),
    "negative_times.mkv": ("-itsoffset -0.4 -i {b_frames.mp4} -c copy -avoid_negative_ts disabled", "b_frames.mp4"),
    "program.mpg": (f"{_SOURCE} -c:v mpeg2video -bf 2 -g 9 -q:v 3", "program.mkv"),
    "program.ts": (f"{_SOURCE} -c:v mpeg2video -bf 2 -g 9 -q:v 3", "program.mkv"),
    "reordered_mpeg4.avi": (f"{_SOURCE} -c:v mpeg4 -bf 2 -q:v 3", "mpeg4_q3.mp4"),
}
"""Files that players show and torchcodec 0.13 can't decode: their recipe, and the file with the same pictures."""
UNINDEXED_BASE = {
    "program.mkv": f"{_SOURCE} -c:v mpeg2video -bf 2 -g 9 -q:v 3",
    "mpeg4_q3.mp4": f"{_SOURCE} -c:v mpeg4 -bf 2 -q:v 3",
}


def make(folder: Path, name: str, recipe: str, base: Path | None = None) -> Path:
    """Run ffmpeg for one file; `base` is the folder of the files that recipes name in braces."""
    words = [str((base or folder) / word[1:-1]) if word.startswith("{") else word for word in recipe.split()]
    path = folder / name
    if not path.exists():
        command = [FFMPEG, "-v", "error", "-nostdin", "-y", *words, "-threads", "1", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    return path
