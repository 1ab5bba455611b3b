#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compares what each command of iommu-dirty prints as JSON with the schema that is
installed with it, on the fake kernel of fake-vfio. Keys that the schema does not have are
errors here, though readers must ignore them: the schema has to tell all.

Usage: schema.py FAKE-VFIO FOLDER TESTS
"""
import json
import os
import signal
import subprocess
import sys

import jsonschema

PROGRAM, FOLDER, TESTS = sys.argv[1:]
LIMIT = 60


def close(schema):
    """Refuse keys that are not in the schema"""
    if isinstance(schema, dict):
        for value in schema.values():
            close(value)
        if "properties" in schema:
            schema["unevaluatedProperties"] = False
    elif isinstance(schema, list):
        for value in schema:
            close(value)


with open(os.path.join(TESTS, "../iommu-dirty.schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)
jsonschema.Draft202012Validator.check_schema(SCHEMA)
# a space is completed where it is used
close({k: v for k, v in SCHEMA["$defs"].items() if k != "space"})
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
bad = []


def check(command, text, key):
    value = json.loads(text)
    if next(iter(value)) != key:
        bad.append(f"{command}: the first key is {next(iter(value))}, not {key}")
    for error in VALIDATOR.iter_errors(value):
        cause = max(error.context or [error], key=lambda e: len(e.absolute_path))
        bad.append(f"{command}: {list(cause.absolute_path)}: {cause.message}"[:300])


def run(*command, target="fake-iommu"):
    with open(os.path.join(FOLDER, target), encoding="utf-8") as iommufd:
        return subprocess.run([PROGRAM, *command], stdin=iommufd, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=LIMIT, check=False).stdout


observe = ["--fd", "0", "--json"]
check("rate", run("rate", *observe, "--duration", "10ms"), "iommu-dirty-rate")
check("list", run("list", *observe), "iommu-dirty-list")
check("clean", run("clean", *observe), "iommu-dirty-clean")
check("probe", run("probe", "--vfio", "--json", "--sysfs", os.path.join(TESTS, "sysfs")),
      "iommu-dirty-probe")
for name in ("advise-in.json", "advise-fd.json"):
    check(name, run("advise", "--json", "--replay", os.path.join(TESTS, name)), "iommu-dirty-advise")
check("heatmap", run("heatmap", "--json", os.path.join(TESTS, "sample.rec")), "iommu-dirty-heatmap")
for number, line in enumerate(run("record", "--fd", "0", "--duration", "200ms", "-o", "-").splitlines()):
    check("record", line, "time" if number else "iommu-dirty-record")

# selftest needs a device: its own test has the report of one that is not there
check("selftest", subprocess.run([os.path.join(os.path.dirname(PROGRAM), "test-selftest"), "--report"],
                                 stdout=subprocess.PIPE, timeout=LIMIT, check=False).stdout,
      "iommu-dirty-selftest")

# watch prints an object a line
with open(os.path.join(FOLDER, "fake-iommu"), encoding="utf-8") as target, \
     subprocess.Popen([PROGRAM, "watch", *observe, "--duration", "20ms"], stdin=target,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
    for _ in range(3):
        check("watch", process.stdout.readline(), "iommu-dirty-rate")
    process.send_signal(signal.SIGTERM)

print("\n".join(bad))
sys.exit(bool(bad))
