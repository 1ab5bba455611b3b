#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Makes the module _iommudirty for iommudirty.py from the header of the library.

Usage: generate.py HEADER OUTPUT
"""

import re
import sys

import cffi


def declarations(header):
    """What cffi understands of a header: no C++, and no macros but integers"""
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", header, flags=re.S)
    lines = re.sub(r"/\*.*?\*/", "", text, flags=re.S).split("\n")
    number = re.compile(r"#define\s+\w+\s+(0x)?[0-9A-Fa-f]+U?\s*$")
    return "\n".join(line for line in lines if line[:1] != "#" or number.match(line))


def main(header, output):
    ffi = cffi.FFI()
    with open(header, encoding="utf-8") as f:
        ffi.cdef(declarations(f.read()))
    # No compiler is needed, neither here nor by the user: the library is opened at run time
    ffi.set_source("_iommudirty", None)
    ffi.emit_python_code(output)


main(*sys.argv[1:])
