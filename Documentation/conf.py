# SPDX-License-Identifier: GPL-2.0-only
# Sphinx: the documentation of iommufd-dirty. "make docs" sets KSRC to a kernel
# tree, whose kernel-doc extension puts the comments of the code in here.
import os
import sys

ksrc = os.environ["KSRC"]
sys.path.insert(0, os.path.join(ksrc, "Documentation/sphinx"))

project = "iommufd-dirty"
extensions = ["kerneldoc"]
kerneldoc_bin = os.path.join(ksrc, "scripts/kernel-doc")
kerneldoc_srctree = os.path.abspath("..")
primary_domain = "c"
highlight_language = "none"
html_theme = "alabaster"
exclude_patterns = ["output"]
