#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compares the pictures of iommu-dirty with their data. Called by tools/check/tools.sh.

Usage: pictures.py heatmap RECORD ROWS COLUMNS JSON SVG PNG
       pictures.py advise JSON SVG PNG

The script computes the expected shapes again, from the record file or from the output
of "advise --json". The SVG file must have each shape, with its position and colour, and
each text. Equal characters must have equal glyphs, and different characters different
glyphs, in any font. In the PNG file, the pixels of each shape must have its colour.
"""

import json
import math
import re
import struct
import sys
import xml.etree.ElementTree as ET
import zlib
from fractions import Fraction

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 540, 90, 20, 40, 50
BLACK, WHITE = (0, 0, 0), (1, 1, 1)
READ, SEND = (0.1, 0.3, 0.8), (0.8, 0.2, 0.1)


class Picture:
    """Shapes and texts, each in drawing order"""

    def __init__(self):
        self.fills = [(WHITE, (0, 0, WIDTH, HEIGHT))]
        self.strokes = []
        self.texts = []


def hexadecimal(value):
    return f"{value:#x}" if value else "0"


def heatmap_cells(record, rows, columns):
    """Return the dirty parts of cells, bounds and time of the first address space"""
    with open(record) as file:
        lines = [json.loads(line, parse_float=Fraction) for line in file]
    samples = [s for s in lines[1:] if s["ioas"] == lines[1]["ioas"]]
    runs = [(int(address, 16), length) for s in samples for address, length in s["runs"]]
    first, end = min(run[0] for run in runs), max(sum(run) for run in runs)
    size = Fraction(end - first, columns)
    cells = [[Fraction(0)] * columns for _ in range(rows)]
    seen = [0] * rows
    for sample in samples:
        row = max(math.ceil(sample["time"] / samples[-1]["time"] * rows) - 1, 0)
        seen[row] += 1
        for address, length in sample["runs"]:
            address = int(address, 16)
            for c in range(columns):
                low, high = first + c * size, first + (c + 1) * size
                both = min(high, address + length) - max(low, address)
                cells[row][c] += max(both, 0) / size
    cells = [[min(cell / max(n, 1), 1) for cell in row] for row, n in zip(cells, seen)]
    return cells, first, end - 1, float(samples[-1]["time"])


def heatmap_color(part):
    """Light yellow to dark red"""
    part = 0.15 + 0.85 * part
    return 1 - 0.4 * part, 0.95 * (1 - part), 0.6 * (1 - part)


def heatmap_picture(cells, first, last, seconds):
    p = Picture()
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    w, h = width / len(cells[0]), height / len(cells)
    for r, row in enumerate(cells):
        for c, part in enumerate(row):
            if part > 0:
                box = (LEFT + c * w, TOP + r * h, LEFT + (c + 1) * w, TOP + (r + 1) * h)
                p.fills.append((heatmap_color(part), box))
    p.strokes.append((LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM))
    p.texts.append((LEFT, TOP - 15, "what devices wrote: address by time; darker: more of it"))
    for i in range(5):
        p.texts.append((10, TOP + height * i / 4 + 5, f"{seconds * i / 4:.2f} s"))
    p.texts.append((LEFT, HEIGHT - BOTTOM + 20, hexadecimal(first)))
    p.texts.append((WIDTH - RIGHT - 110, HEIGHT - BOTTOM + 20, hexadecimal(last)))
    return p


def size_text(size):
    for unit in ("", "K", "M", "G"):
        if size < 1024 or size % 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}T"


def dot(p, color, x, y):
    p.fills.append((color, (x - 5, y - 5, x + 5, y + 5)))


def advise_picture(advice):
    p = Picture()
    rows = [(t["tracker"], row, row["dirty_bytes"] / advice["bandwidth"] * 1e9)
            for t in advice["trackers"] for row in t["page_sizes"]]
    times = [row["read_ns"] for _, row, _ in rows] + [send for _, _, send in rows if send]
    low = math.floor(math.log10(max(min(times), 1)))
    high = math.ceil(math.log10(max(row["read_ns"] + send for _, row, send in rows)))

    def place(ns):
        span = WIDTH - 2 * LEFT - RIGHT
        return 2 * LEFT + span * (math.log10(max(ns, 1)) - low) / (high - low)

    p.texts.append((2 * LEFT, TOP - 15, "seconds of a round:"))
    dot(p, READ, 2 * LEFT + 150, TOP - 20)
    dot(p, SEND, 2 * LEFT + 220, TOP - 20)
    p.texts.append((2 * LEFT + 160, TOP - 15, "READ"))
    p.texts.append((2 * LEFT + 230, TOP - 15, "sending what was dirty"))
    for i in range(low, high + 1):
        x = place(10 ** i)
        p.texts.append((x - 15, HEIGHT - BOTTOM + 20, f"{10.0 ** (i - 9):g}"))
        p.strokes.append((x, TOP, x, HEIGHT - BOTTOM))
    for line, (name, row, send) in enumerate(rows):
        y = TOP + (HEIGHT - TOP - BOTTOM) * (line + 1) / (len(rows) + 1)
        p.texts.append((10, y + 5, f"{name[:20]} {size_text(row['page_size'])}"))
        dot(p, READ, place(row["read_ns"]), y)
        if send:
            dot(p, SEND, place(send), y)
    return p


def attribute(element, name):
    """Read an attribute, which may also be in style="name:value;..." """
    style = dict(part.strip().split(":", 1)
                 for part in element.get("style", "").split(";") if ":" in part)
    return element.get(name, style.get(name, "none"))


def color_of(text):
    return tuple(float(value) / 100 for value in re.findall(r"([0-9.]+)%", text))


def bounds(path):
    """Return the bounds of the points on a path; curves are sampled"""
    points = []
    for letter, numbers in re.findall(r"([MLC])([^MLCZ]*)", path):
        values = [float(v) for v in numbers.split()]
        if letter == "C":
            ends = [points[-1], *zip(values[::2], values[1::2])]
            for t in (i / 8 for i in range(1, 8)):
                factors = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3]
                points.append([sum(f * end[i] for f, end in zip(factors, ends)) for i in (0, 1)])
        points.append(values[-2:])
    xs, ys = zip(*points)
    return min(xs), min(ys), max(xs), max(ys)


def svg_shapes(file):
    """Return the filled shapes, strokes and glyphs, each in file order"""
    fills, strokes, glyphs = [], [], []

    def walk(element):
        tag = element.tag.split("}")[1]
        if tag == "defs":
            return
        if tag in ("path", "rect"):
            if tag == "path":
                box = bounds(element.get("d"))
            else:
                x, y, w, h = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
                box = (x, y, x + w, y + h)
            fill, stroke = attribute(element, "fill"), attribute(element, "stroke")
            if fill != "none":
                fills.append((color_of(fill), box))
            if stroke != "none":
                strokes.append((color_of(stroke), box))
        if tag == "use":
            href = next(v for k, v in element.items() if k.endswith("href"))
            glyphs.append((float(element.get("x")), float(element.get("y")), href))
        for child in element:
            walk(child)

    walk(ET.parse(file).getroot())
    return fills, strokes, glyphs


def near(a, b, limit=0.02):
    return len(a) == len(b) and all(abs(x - y) < limit for x, y in zip(a, b))


def compare_shapes(what, got, want):
    if len(got) != len(want):
        sys.exit(f"{len(got)} {what}, not {len(want)}")
    for one, other in zip(got, want):
        if not near(one[0], other[0], 0.001) or not near(one[1], other[1]):
            sys.exit(f"{what}: {one}, not {other}")


def compare_texts(glyphs, texts):
    """Equal characters must have equal glyphs; each text must be in its place"""
    wanted = "".join(text for _, _, text in texts)
    skipped = "" if len(wanted) == len(glyphs) else " "
    wanted = wanted.replace(skipped, "") if skipped else wanted
    if len(wanted) != len(glyphs):
        sys.exit(f"{len(glyphs)} glyphs, not {len(wanted)}")
    by_glyph, by_char = {}, {}
    for char, (_, _, glyph) in zip(wanted, glyphs):
        if by_glyph.setdefault(glyph, char) != char or by_char.setdefault(char, glyph) != glyph:
            sys.exit(f"{glyph} is {by_glyph[glyph]!r}, and {char!r}")
    at = 0
    for x, y, text in texts:
        if not near(glyphs[at][:2], (x, y)):
            sys.exit(f"{text!r} is at {glyphs[at][:2]}, not {x}, {y}")
        at += len(text) - (text.count(skipped) if skipped else 0)


def compare_svg(picture, file):
    fills, strokes, glyphs = svg_shapes(file)
    compare_shapes("filled shapes", fills, picture.fills)
    compare_shapes("lines", strokes, [(BLACK, box) for box in picture.strokes])
    compare_texts(glyphs, picture.texts)


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def png_rows(file):
    """Return rows of bytes, three per pixel"""
    with open(file, "rb") as f:
        data = f.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        sys.exit(f"{file} is no PNG")
    at, body = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + size]
        if zlib.crc32(kind + chunk) != struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]:
            sys.exit(f"{file}: a chunk is damaged")
        if kind == b"IHDR" and struct.unpack(">IIBBBBB", chunk) != (WIDTH, HEIGHT, 8, 2, 0, 0, 0):
            sys.exit(f"{file}: not {WIDTH} by {HEIGHT} pixels of 24 bits")
        if kind == b"IDAT":
            body += chunk
        at += 12 + size
    raw, rows, above = zlib.decompress(body), [], bytes(3 * WIDTH)
    for y in range(HEIGHT):
        line = bytearray(raw[y * (3 * WIDTH + 1):(y + 1) * (3 * WIDTH + 1)])
        kind, line = line[0], line[1:]
        for i in range(3 * WIDTH if kind else 0):
            left = line[i - 3] if i >= 3 else 0
            corner = above[i - 3] if i >= 3 else 0
            line[i] = (line[i] + (left, above[i], (left + above[i]) // 2,
                                  paeth(left, above[i], corner))[kind - 1]) & 255
        rows.append(line)
        above = line
    return rows


def compare_area(rows, color, box):
    """Compare each channel of all pixels that are entirely in the box"""
    x1, y1, x2, y2 = math.ceil(box[0]), math.ceil(box[1]), math.floor(box[2]), math.floor(box[3])
    for y in range(y1, y2):
        for channel in range(3):
            values = rows[y][3 * x1 + channel:3 * x2:3]
            if values and any(abs(v - 255 * color[channel]) > 1.5 for v in {min(values), max(values)}):
                sys.exit(f"row {y}, pixels {x1} to {x2}: not the color {color}")


def is_inked(rows, text):
    """Return whether there are dark pixels where a text begins"""
    x, y = int(text[0]), int(text[1])
    return any(min(rows[row][3 * x:3 * (x + 30)]) < 128 for row in range(y - 10, y))


def compare_heatmap_png(file, cells, picture):
    rows = png_rows(file)
    w = (WIDTH - LEFT - RIGHT) / len(cells[0])
    h = (HEIGHT - TOP - BOTTOM) / len(cells)
    for r, row in enumerate(cells):
        for c, part in enumerate(row):
            # the frame covers half a pixel
            box = (max(LEFT + c * w, LEFT + 1), max(TOP + r * h, TOP + 1),
                   min(LEFT + (c + 1) * w, WIDTH - RIGHT - 1),
                   min(TOP + (r + 1) * h, HEIGHT - BOTTOM - 1))
            compare_area(rows, heatmap_color(part) if part > 0 else WHITE, box)
    compare_area(rows, WHITE, (WIDTH - RIGHT + 1, 0, WIDTH, HEIGHT - BOTTOM))
    compare_inked(file, rows, picture)


def compare_inked(file, rows, picture):
    for text in picture.texts:
        if not is_inked(rows, text):
            sys.exit(f"{file}: nothing where {text[2]!r} belongs")


def compare_advise_png(file, picture):
    rows = png_rows(file)
    dots = [(color, box[0] + 5, box[1] + 5) for color, box in picture.fills[1:]]
    for i, (color, x, y) in enumerate(dots):
        # skip dots that a later one overlaps
        if all(math.hypot(x - a, y - b) > 8 for _, a, b in dots[i + 1:]):
            compare_area(rows, color, (x - 2, y - 2, x + 2, y + 2))
    for x1, y1, _, y2 in picture.strokes:
        if any(rows[y][3 * int(x1 - 0.5)] > 250 and rows[y][3 * int(x1 + 0.5)] > 250
               for y in range(y1, y2)):
            sys.exit(f"{file}: no line at {x1}")
    compare_inked(file, rows, picture)


def main():
    kind, *args = sys.argv[1:]
    if kind == "heatmap":
        record, rows, columns, printed, svg, png = args
        cells, first, last, seconds = heatmap_cells(record, int(rows), int(columns))
        with open(printed) as file:
            said = json.load(file)
        if (said["first"], said["last"], said["seconds"]) != (first, last, seconds):
            sys.exit("other bounds in JSON")
        if not all(near(a, b, 1e-9) for a, b in zip(said["rows"], cells)) or len(cells) != len(said["rows"]):
            sys.exit("other cells in JSON")
        picture = heatmap_picture(cells, first, last, seconds)
        compare_svg(picture, svg)
        compare_heatmap_png(png, said["rows"], picture)
    else:
        printed, svg, png = args
        with open(printed) as file:
            picture = advise_picture(json.load(file))
        compare_svg(picture, svg)
        compare_advise_png(png, picture)


main()
