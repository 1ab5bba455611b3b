#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compares the pictures of iommu-dirty with their data. Called by tools/check/tools.sh.

Usage: pictures.py heatmap RECORD ROWS COLUMNS JSON SVG PNG HTML
       pictures.py advise JSON SVG PNG HTML

The cells of a heatmap are computed again, from the record, in fractions. In the SVG file,
each segment must be an image that is transparent where nothing was written, and brighter
where more was; text must be text. Headless Chromium moves the pointer over the page, in
light and dark mode, and tells which text appears and whether the letters can be read.
"""

import base64
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from fractions import Fraction

from matplotlib import image

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
MIB = 1 << 20

# Moves the pointer to each place, and prints what the page shows there
MOVE = """<script>
addEventListener("load", () => {
  const svg = document.querySelector("svg"), images = svg.querySelectorAll("image");
  const told = [];
  for (const [which, x, y] of PLACES) {
    const box = which === null ? null : images[which].getBoundingClientRect();
    const at = box ? new DOMPoint(box.left + x * box.width, box.top + y * box.height) :
                     new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
    svg.dispatchEvent(new MouseEvent("mousemove", {clientX: at.x, clientY: at.y}));
    const hover = document.getElementById("hover");
    told.push(getComputedStyle(hover).visibility == "visible" ? hover.textContent : "");
  }
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify({told, paper: getComputedStyle(svg).backgroundColor,
    body: getComputedStyle(document.body).backgroundColor,
    ink: [...svg.querySelectorAll("text")].map(t => getComputedStyle(t).fill)});
  document.body.append(result);
});
</script>"""


def check(good, what):
    if not good:
        sys.exit(what)


def near(a, b):
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def read_record(name):
    """Return the samples of the first address space: the time before, the time, the runs"""
    with open(name, encoding="utf-8") as file:
        lines = [json.loads(line, parse_float=Fraction) for line in file]
    samples, before = [], Fraction(0)
    for line in lines[1:]:
        if line["ioas"] == lines[1]["ioas"]:
            runs = [(int(address, 16), length) for address, length in line["runs"]]
            samples.append((before, line["time"], runs))
            before = line["time"]
    return samples


def heatmap_cells(samples, heat):
    """Return bytes per second of each cell"""
    rows, end = len(heat["rows"]), samples[-1][1]
    edges = []
    for s in heat["segments"]:
        first, last = int(s["first"], 16), int(s["last"], 16)
        step = Fraction(last + 1 - first, s["columns"])
        edges += [(first + c * step, first + (c + 1) * step) for c in range(s["columns"])]
    cells = [[Fraction(0)] * len(edges) for _ in range(rows)]
    for before, after, runs in samples:
        written = [sum(max(min(high, address + length) - max(low, address), 0)
                       for address, length in runs) for low, high in edges]
        for r in range(rows):
            top, bottom = end * r / rows, end * (r + 1) / rows
            part = max(min(after, bottom) - max(before, top), 0) / (after - before)
            for c, size in enumerate(written):
                cells[r][c] += size * part / (bottom - top)
    return cells


def check_segments(samples, heat, columns):
    runs = sorted((address, address + length - 1) for _, _, runs in samples
                  for address, length in runs)
    segments = [(int(s["first"], 16), int(s["last"], 16)) for s in heat["segments"]]
    check(segments[0][0] == runs[0][0], "the first address is not the first that was written")
    check(segments[-1][1] == max(end for _, end in runs), "nor is the last one")
    for first, last in runs:
        check(any(a <= first and last <= b for a, b in segments), f"{first:#x} is in no segment")
    for (_, end), (begin, _) in itertools.pairwise(segments):
        check(end < begin, "segments are not in order")
    check(sum(s["columns"] for s in heat["segments"]) == columns, "not all columns are used")


def light(pixel):
    red, green, blue = (float(v) for v in pixel[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def check_images(tree, heat):
    """Pixels of equal rates must be equal, and brighter ones have a higher rate"""
    images = [e for e in tree.iter(SVG + "image") if len(heat["rows"]) ==
              image.imread(io.BytesIO(base64.b64decode(e.get(HREF).split(",")[1]))).shape[0]]
    check(len(images) >= len(heat["segments"]), f"only {len(images)} images")
    at = 0
    for s, element in zip(heat["segments"], images):
        pixels = image.imread(io.BytesIO(base64.b64decode(element.get(HREF).split(",")[1])))
        check(pixels.shape[:2] == (len(heat["rows"]), s["columns"]),
              f"an image has {pixels.shape} pixels")
        # which way up, by the element's transformation
        if re.search(r"scale\(\S+ -|matrix\(\S+ \S+ \S+ -", element.get("transform", "")):
            pixels = pixels[::-1]
        known = []
        for row, line in zip(heat["rows"], pixels):
            for rate, pixel in zip(row[at:at + s["columns"]], line):
                check((rate > 0) == (pixel[3] > 0.5), "a written cell is not drawn, or a clean one is")
                if rate:
                    known.append((rate, light(pixel)))
        known.sort()
        for (_, dim), (_, bright) in itertools.pairwise(known):
            check(bright >= dim - 1e-6, "more was written where it is darker")
        at += s["columns"]


def texts_of(name):
    check(subprocess.run(["xmllint", "--noout", "--nonet", name], check=False).returncode == 0,
          f"{name} is no XML")
    tree = ET.parse(name)
    check("prefers-color-scheme: dark" in "".join(tree.getroot().itertext()), "no dark mode")
    title = tree.find(f"{SVG}metadata/{{*}}RDF/{{*}}Work/{{*}}title")
    check(title is not None and title.text, "no title")
    return tree, ["".join(e.itertext()) for e in tree.iter(SVG + "text")]


def check_texts(texts, wanted):
    for want in wanted:
        check(any(want in text for text in texts), f"the text {want!r} is missing in {texts}")


def luminance(color):
    """As in the Web Content Accessibility Guidelines, which call 4.5:1 readable"""
    values = [int(v) / 255 for v in re.findall(r"\d+", color)[:3]]
    return light([v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values])


def browse(page, places, dark):
    """Let Chromium move the pointer; return what appears at each place"""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    check(not re.search(r"(src|href)=\"https?:|@import|url\(http", text), "the page loads others")
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "page.html")
        with open(name, "w", encoding="utf-8") as file:
            file.write(text.replace("</body>", MOVE.replace("PLACES", json.dumps(places)) +
                                    "</body>"))
        dom = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,700",
             f"--user-data-dir={folder}", f"--blink-settings=preferredColorScheme={int(not dark)}",
             "--dump-dom", "file://" + name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=300, check=True).stdout.decode()
    found = re.search(r'<pre id="result">(.*?)</pre>', dom, re.DOTALL)
    check(found, "the page's script has failed")
    result = json.loads(found.group(1).replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    papers = {result["body"]} | ({result["paper"]} if dark else set())
    for paper, ink in itertools.product(papers, set(result["ink"])):
        a, b = sorted((luminance(paper), luminance(ink)))
        # the grey remarks are at 3:1, which is for what is not essential
        check((b + 0.05) / (a + 0.05) >= 3, f"{ink} on {paper}, {'dark' if dark else 'light'} mode")
    check((luminance(result["body"]) < 0.2) == dark, "the paper is not that of the mode")
    return result["told"]


def check_heatmap_page(page, heat, cells):
    places, wanted, at, rows = [], [], 0, len(cells)
    end = heat["seconds"]
    for which, s in enumerate(heat["segments"]):
        first, last = int(s["first"], 16), int(s["last"], 16)
        n = s["columns"]
        for r, c in {(0, 0), (rows - 1, n - 1), (rows // 2, n // 3), (rows // 3, n // 2)}:
            places.append([which, (c + 0.5) / n, (r + 0.5) / rows])
            low = first + (last + 1 - first) * c // n
            high = first + (last + 1 - first) * (c + 1) // n - 1
            wanted.append((f"{low:#x} to {high:#x}\n{end * r / rows:.3f} s to "
                           f"{end * (r + 1) / rows:.3f} s", float(cells[r][at + c]) / MIB))
        at += n
    for dark in (False, True):
        for told, (where, rate) in zip(browse(page, places, dark), wanted):
            text, value = told.rsplit("\n", 1)
            check(text == where, f"{text!r}, not {where!r}")
            if rate:
                check(abs(float(value.split()[0]) - rate) <= 0.006 * rate and
                      value.endswith(" MiB/s dirtied"), f"{value!r}, not {rate} MiB/s")
            else:
                check(value == "clean", f"{value!r}, but nothing was written")


def check_heatmap(record, rows, columns, printed, svg, png, page):
    with open(printed, encoding="utf-8") as file:
        heat = json.load(file)
    check(heat["iommu-dirty-heatmap"] == 1, "the version")
    samples = read_record(record)
    check(near(heat["seconds"], float(samples[-1][1])), "other seconds in JSON")
    check(len(heat["rows"]) == int(rows), "other rows in JSON")
    check_segments(samples, heat, int(columns))
    cells = heatmap_cells(samples, heat)
    for got, want in zip(heat["rows"], cells):
        check(len(got) == len(want), "other columns in JSON")
        for one, other in zip(got, want):
            check(near(one, float(other)), f"a cell in JSON is {one}, not {float(other)}")
    tree, texts = texts_of(svg)
    check_texts(texts, [f"IO address space {heat['ioas']}", *heat["devices"], "IO virtual address",
                        "time since the start of the record, in seconds",
                        "MiB/s dirtied in a cell", os.path.basename(record),
                        *(s["first"] for s in heat["segments"])])
    check(sum("⋯" == t for t in texts) == len(heat["segments"]) - 1, "not a mark for each gap")
    check_images(tree, heat)
    check(image.imread(png).shape[:2] == (675, 1200), "the PNG has another size")
    check_heatmap_page(page, heat, cells)


def check_advise(printed, svg, png, page):
    with open(printed, encoding="utf-8") as file:
        advice = json.load(file)
    _, texts = texts_of(svg)
    spaces = {t["ioas"] for t in advice["trackers"] if t["page_sizes"]}
    check_texts(texts, [*(f"IO address space {i}" for i in spaces),
                        *(t["tracker"] for t in advice["trackers"] if t["page_sizes"]),
                        "READ of what devices write to", "sending what is dirty, at "])
    marked = sum("recommended" in t for t in texts)
    best = {(r["tracker"], r["page_size"]) for r in advice["recommendations"] if r["tracker"]}
    check(marked == len(best), f"{marked} recommendations are marked, of {len(best)}")
    check(image.imread(png).shape[2] == 4, "no PNG")
    with open(page, encoding="utf-8") as file:
        points = json.loads(re.search(r"const data = (.*);\n", file.read()).group(1))["points"]
    told = browse(page, [[None, p["x"], p["y"]] for p in points], False)
    check(browse(page, [[None, p["x"], p["y"]] for p in points], True) == told, "dark mode differs")
    told = [text for texts in told for text in re.split(r"\n(?=.*, pages of )", texts)]
    check({p["text"] for p in points} == set(told), "the page tells something else")
    for t in advice["trackers"]:
        before = None
        for row in t["page_sizes"]:
            size = row["page_size"]
            unit = next(u for u in ("KiB", "MiB", "GiB") if size < 1024 << 10 *
                        (1 + ("KiB", "MiB", "GiB").index(u)))
            name = f"{size >> 10 * (1 + ('KiB', 'MiB', 'GiB').index(unit))} {unit}"
            found = [p for p in points if p["text"].startswith(f"{t['tracker']}, pages of {name}\n")]
            check(len(found) == 1 and found[0]["text"] in told,
                  f"{t['tracker']}, {name}: the page does not tell it")
            check(found[0]["text"].endswith("\nrecommended") == ((t["tracker"], size) in best),
                  f"{t['tracker']}, {name}: is it recommended?")
            # a longer READ is further to the right, more to send higher up
            if before:
                check((row["read_ns"] - before[0]) * (found[0]["x"] - before[1]) >= 0 and
                      (row["dirty_bytes"] - before[2]) * (before[3] - found[0]["y"]) >= 0,
                      f"{t['tracker']}, {name} is in another place")
            before = row["read_ns"], found[0]["x"], row["dirty_bytes"], found[0]["y"]
    check(len(points) == sum(len(t["page_sizes"]) for t in advice["trackers"]),
          "the page has other points")


def main():
    kind, *args = sys.argv[1:]
    if kind == "heatmap":
        check_heatmap(*args)
    else:
        check_advise(*args)


main()
