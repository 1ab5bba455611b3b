#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Checks that the syzkaller description matches the headers. Called by static.sh.

Usage: syz-in-step.py KSRC

syzkaller is not available where the tests run, because it needs many Go modules. So this
parses the part of its grammar that tools/syzkaller/dev_iommu_dirty.txt uses, and asks
the C compiler for the rest. The description must have each ioctl, each struct and each
settable flag of include/uapi/linux/iommufd_dirty.h. Each of its structs must have the
size of the C struct, and the same names, offsets and sizes of the fields. The compiler
must know each constant. Each field that the kernel writes must be marked as (out).
KSRC is a kernel tree, which provides iommufd.h and vfio.h.
"""

import os
import re
import subprocess
import sys
import tempfile

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DESCRIPTION = os.path.join(REPO, "tools/syzkaller/dev_iommu_dirty.txt")
HEADER = os.path.join(REPO, "include/uapi/linux/iommufd_dirty.h")
# The resources of syzkaller's dev_iommu.txt
RESOURCES = {"fd_iommufd": "int32", "ioas_handle": "int32", "device_handle": "int32", "fd": "int32"}
# Flags that only the kernel sets
ANSWERS = {"iommu_dirty_member_flags", "iommu_dirty_object_flags", "iommu_dirty_tracker_flags"}

errors = []


def wrong(text):
    errors.append(text)


class Description:
    def __init__(self, path):
        self.calls, self.structs, self.unions, self.lists = {}, {}, {}, {}
        self.defines, self.resources = {}, dict(RESOURCES)
        with open(path, encoding="utf-8") as file:
            lines = [line.rstrip() for line in file]
        body = None
        for number, line in enumerate(lines, 1):
            if not line or line.startswith("#"):
                continue
            if body is not None:
                if line in "}]":
                    body = None
                else:
                    name, kind, *more = re.fullmatch(
                        r"\t(\w+)\s+(.*?)(?:\t(\(out\)))?", line).groups()
                    body.append((name, kind.strip(), more == ["(out)"]))
            elif m := re.fullmatch(r"([\w$]+) ([{\[])", line):
                body = []
                (self.structs if m[2] == "{" else self.unions)[m[1]] = body
            elif m := re.fullmatch(r"resource (\w+)\[(\w+)\](?:: \d+)?", line):
                self.resources[m[1]] = m[2]
            elif m := re.fullmatch(r"define (\w+)\s+(.*)", line):
                self.defines[m[1]] = m[2]
            elif m := re.fullmatch(r"(\w+) = (.*)", line):
                self.lists[m[1]] = m[2].split(", ")
            elif m := re.fullmatch(r"(\w+\$[\w$]+)\((.*)\)(?: (\w+))?", line):
                self.calls[m[1]] = m[2]
            elif not re.fullmatch(r"include <[\w/.]+>", line):
                sys.exit(f"cannot parse line {number}: {line}")

    def layout(self, name):
        """Return the (field, offset, size)s, the size and the alignment of a struct, as in C"""
        at, largest, fields = 0, 1, []
        for field, kind, _ in self.structs[name]:
            size, align = self.size(kind)
            at = (at + align - 1) // align * align
            fields.append((field, at, size))
            at += size
            largest = max(largest, align)
        return fields, (at + largest - 1) // largest * largest, largest

    def size(self, kind):
        """Return size and alignment"""
        name, args = re.fullmatch(r"([\w$]+)(?:\[(.*)\])?", kind).groups()
        last = (args or "").split(", ")[-1]
        if m := re.fullmatch(r"int(8|16|32|64)", name):
            return (int(m[1]) // 8,) * 2
        if name == "ptr64":
            self.size(re.fullmatch(r"(?:in|out|inout), (.*?)(?:, opt)?", args)[1])
            return 8, 8
        if name in ("const", "len", "bytesize", "flags"):
            if name == "flags" and args.split(", ")[0] not in self.lists:
                wrong(f"unknown flags {args}")
            return self.size(last)
        if name == "array":
            m = re.fullmatch(r"(.*?)(?:, (\d+))?", args)
            size, align = self.size(m[1])
            return size * int(m[2] or 0), align
        if name in self.resources:
            return self.size(self.resources[name])
        if name in self.structs:
            return self.layout(name)[1:]
        if name in self.unions:
            sizes = [self.size(kind) for _, kind, _ in self.unions[name]]
            return max(s for s, _ in sizes), max(a for _, a in sizes)
        wrong(f"unknown type {kind}")
        return 4, 4


class Compiler:
    """Evaluates expressions like sizeof(struct x), all at once"""

    def __init__(self, ksrc):
        self.ksrc, self.questions = ksrc, []

    def ask(self, expression):
        self.questions.append(expression)

    def answers(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(f"{folder}/linux")
            for name in ("iommufd.h", "vfio.h"):
                with open(f"{self.ksrc}/include/uapi/linux/{name}", encoding="utf-8") as file:
                    # as in the installed headers
                    text = re.sub(r"__user |__counted_by\(\w+\)", "", file.read())
                with open(f"{folder}/linux/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
            lines = "\n".join(f'\tprintf("%llu\\n", (unsigned long long)({q}));' for q in self.questions)
            with open(f"{folder}/ask.c", "w", encoding="utf-8") as file:
                file.write("#define _GNU_SOURCE\n#include <fcntl.h>\n#include <stddef.h>\n"
                           "#include <stdio.h>\n#include <linux/iommufd_dirty.h>\n"
                           f"#include <linux/vfio.h>\nint main(void)\n{{\n{lines}\n}}\n")
            done = subprocess.run(["gcc", "-I", folder, "-I", f"{REPO}/include/uapi",
                                   "-o", f"{folder}/ask", f"{folder}/ask.c"],
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit("does not match the headers:\n" +
                         "\n".join(l for l in done.stderr.splitlines() if "error:" in l))
            out = subprocess.run([f"{folder}/ask"], capture_output=True, text=True, check=True).stdout
        return dict(zip(self.questions, map(int, out.split())))


def c_name(struct):
    return "struct " + struct.split("$")[0]


def compare_structs(d, compiler):
    """Queue the questions; return a function that compares the answers"""
    # a flexible array member has no size in C
    open_ended = {"vfio_iommu_type1_dirty_bitmap": "data"}
    # begin with their size, and are longer in Linux 7.3
    grown = {"vfio_device_bind_iommufd", "vfio_device_attach_iommufd_pt",
             "vfio_device_detach_iommufd_pt"}
    for struct, fields in d.structs.items():
        compiler.ask(f"sizeof({c_name(struct)})")
        for field, _, _ in fields:
            compiler.ask(f"offsetof({c_name(struct)}, {field})")
            if open_ended.get(struct.split("$")[0]) != field:
                compiler.ask(f"sizeof((({c_name(struct)} *)0)->{field})")

    def compare(answers):
        for struct, fields in d.structs.items():
            places, whole, _ = d.layout(struct)
            for (field, offset, size), (_, _, out) in zip(places, fields):
                want = answers[f"offsetof({c_name(struct)}, {field})"]
                if offset != want:
                    wrong(f"{struct}.{field} is at {offset}, not {want}")
                want = answers.get(f"sizeof((({c_name(struct)} *)0)->{field})", size)
                if size != want:
                    wrong(f"{struct}.{field} has {size} bytes, not {want}")
                if out != field.startswith("out_"):
                    wrong(f"{struct}.{field}: (out) does not match the name")
            want = answers[f"sizeof({c_name(struct)})"]
            if struct in grown and whole < want:
                continue
            if whole != want and struct.split("$")[0] not in open_ended:
                wrong(f"{struct} has {whole} bytes, not {want}")
    return compare


def compare_header(d, header):
    """Check that the description has everything in the header"""
    for struct, body in re.findall(r"^struct (\w+) \{(.*?)^\};", header, re.M | re.S):
        # the compiler's padding can hide a missing last field
        fields = re.findall(r"^\t\w+ (\w+)(?:\[\d+\])?;", body, re.M)
        if [field for field, _, _ in d.structs.get(struct, [])] != fields:
            wrong(f"struct {struct} does not have the fields {' '.join(fields)}")
    for macro in re.findall(r"^#define (IOMMU_DIRTY_\w+) \\?\s*_IO\(", header, re.M):
        args = d.calls.get(f"ioctl${macro}", "")
        if f"cmd const[{macro}]" not in args:
            wrong(f"ioctl {macro} is missing")
        if not re.search(rf"arg ptr\[(in|inout), {macro.lower()}\]$", args):
            wrong(f"ioctl {macro} does not take struct {macro.lower()}")
    for enum, body in re.findall(r"^enum (\w+_flags) \{(.*?)^\};", header, re.M | re.S):
        flags = re.findall(r"^\t(\w+) = 1 << \d+,", body, re.M)
        if enum not in ANSWERS and set(d.lists.get(enum, [])) != {"0", *flags}:
            wrong(f"enum {enum}: {' '.join(d.lists.get(enum, []))}, not 0 {' '.join(flags)}")


def compare_calls(d):
    """Check that a struct that the kernel writes to is not passed as "in" """
    for call, args in d.calls.items():
        if m := re.search(r"arg ptr\[(\w+), ([\w$]+)\]$", args):
            writes = any(out for _, _, out in d.structs.get(m[2], []))
            if m[2] not in d.structs:
                wrong(f"{call}: unknown struct {m[2]}")
            if writes and m[1] == "in":
                wrong(f"{call}: the kernel writes to {m[2]}")


def constants(d, compiler):
    """Ask the compiler for each named constant"""
    texts = [kind for fields in d.structs.values() for _, kind, _ in fields]
    texts += list(d.calls.values())
    names = {name for text in texts for name in re.findall(r"const\[([A-Z]\w*)", text)}
    names |= {name for values in d.lists.values() for name in values if re.fullmatch(r"[A-Z]\w*", name)}
    for name in sorted(names):
        compiler.ask(d.defines.get(name, name))


def main():
    d = Description(DESCRIPTION)
    with open(HEADER, encoding="utf-8") as file:
        header = file.read()
    compiler = Compiler(sys.argv[1])
    compare = compare_structs(d, compiler)
    constants(d, compiler)
    compare(compiler.answers())
    compare_header(d, header)
    compare_calls(d)
    for text in sorted(set(errors)):
        print(f"dev_iommu_dirty.txt: {text}")
    return 1 if errors else 0


sys.exit(main())
