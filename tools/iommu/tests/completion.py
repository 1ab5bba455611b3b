#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Types command lines into an interactive bash on a terminal, presses Tab, and compares
what the line has become. Bash splits words at colons, which a call of the completion
function with an array of words would not show.
"""
import os
import re
import sys

import pexpect

TOOL = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HELPERS = "/usr/share/bash-completion/bash_completion"
PROMPT = "ready> "
bash = pexpect.spawn("bash", ["--norc", "--noprofile"], encoding="utf-8", timeout=60,
                     dimensions=(50, 400), env={**os.environ, "PS1": PROMPT, "TERM": "dumb"})


def send(text):
    bash.sendline(text)
    bash.expect_exact(text)
    bash.expect("\n" + PROMPT)
    return bash.before


def complete(line):
    """What Readline shows after Tab, without the bell"""
    bash.send(line + "\t")
    # a mark that Readline shows only after it has completed the line
    bash.send("#")
    bash.expect_exact("#")
    shown = bash.before.replace("\a", "").split(PROMPT)[-1]
    bash.sendcontrol("u")
    bash.sendline("")
    bash.expect_exact(PROMPT)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).strip("\r\n")


bash.expect_exact(PROMPT)
send("bind 'set enable-bracketed-paste off'")
send("bind 'set page-completions off'; bind 'set completion-query-items 0'")
send(f". {HELPERS}; . {TOOL}/iommu-dirty.bash")
devices = os.listdir("/sys/bus/pci/devices")
# the only one that its address without the last digit can become
device = next(d for d in devices if sum(e.startswith(d[:-1]) for e in devices) == 1)
bad = []
WANTED = [
    ("iommu-dirty hea", "iommu-dirty heatmap "),
    ("iommu-dirty help rec", "iommu-dirty help record "),
    ("iommu-dirty rate --page-s", "iommu-dirty rate --page-size "),
    ("iommu-dirty rate --page-size=6", "iommu-dirty rate --page-size=64K "),
    ("iommu-dirty rate --page-size 6", "iommu-dirty rate --page-size 64K "),
    ("iommu-dirty migrate --on-limit=g", "iommu-dirty migrate --on-limit=give-up "),
    (f"iommu-dirty heatmap --output {TOOL}/iommu-dirty.schema",
     f"iommu-dirty heatmap --output {TOOL}/iommu-dirty.schema.json "),
    (f"iommu-dirty heatmap {TOOL}/tests/sam", f"iommu-dirty heatmap {TOOL}/tests/sample.rec "),
]
for start in ("rate --device ", "rate --device=", "migrate "):
    WANTED.append((f"iommu-dirty {start}{device[:-1]}", f"iommu-dirty {start}{device}"))
for typed, want in WANTED:
    got = complete(typed)
    if got.rstrip() != want.rstrip():
        bad.append(f"{typed!r} becomes {got!r}, not {want!r}")
print("\n".join(bad))
sys.exit(bool(bad))
