"""`pillow.py time WORK [OUT]`: WORK with Pillow to every file named on standard input, as `image-lab time` does it.

WORK `reference` writes what the others are compared with: the picture at half its sides as a PNG. `full` is the
picture itself as a PNG, `decode` says how a file ends, a line of JSON each, and `camera` makes two JPEGs of 24
megapixels of the first file, baseline and progressive.
"""
import io
import json
import math
import sys
import time

from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = 100_000_000


def upright(file):
    return ImageOps.exif_transpose(Image.open(file))


def half(file):
    picture = upright(file)
    side = lambda pixels: max(1, math.floor(pixels / 2 + 0.5))
    return picture.resize((side(picture.width), side(picture.height)), Image.Resampling.LANCZOS)


def saved(picture, **options):
    out = io.BytesIO()
    picture.save(out, icc_profile=picture.info.get("icc_profile"), **options)
    return out.getvalue()


def validate(file):
    with Image.open(file) as picture:
        picture.size
    return b""


def decode(file):
    ending = {"file": file}
    try:
        with Image.open(file) as picture:
            ending |= {"format": picture.format, "width": picture.width, "height": picture.height}
            picture.load()
            ending["outcome"] = "ok"
    except BaseException as error:
        ending["outcome"] = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps(ending), flush=True)
    return b""


def camera(file):
    large = upright(file).convert("RGB").resize((6000, 4000), Image.Resampling.BICUBIC)
    for name, progressive in (("baseline", False), ("progressive", True)):
        large.save(f"{OUT}/{name}.jpg", quality=92, subsampling=2, progressive=progressive)
    return b""


WORKS = {
    "half": lambda file: saved(half(file), format="JPEG", quality=85),
    "quality80": lambda file: saved(upright(file), format="JPEG", quality=80, optimize=True),
    "png": lambda file: saved(Image.open(file), format="PNG", optimize=True),
    "reference": lambda file: saved(half(file), format="PNG", compress_level=1),
    "full": lambda file: saved(upright(file), format="PNG", compress_level=1),
    "validate": validate,
    "decode": decode,
    "camera": camera,
}

work, OUT = sys.argv[2], (sys.argv[3] if len(sys.argv) > 3 else None)
files = sys.stdin.read().splitlines()
made_bytes = failed = 0
begun = time.process_time()
for index, file in enumerate(files):
    try:
        made = WORKS[work](file)
    except Exception as error:
        print(f"pillow: {file}: {error}", file=sys.stderr)
        failed += 1
        continue
    made_bytes += len(made)
    if OUT and made:
        kind = "jpg" if work in ("half", "quality80") else "png"
        with open(f"{OUT}/{index}.{kind}", "wb") as out:
            out.write(made)
if work != "decode":
    print(json.dumps({"files": len(files), "failed": failed, "bytes": made_bytes,
                      "cpu": time.process_time() - begun}))
