#!/usr/bin/env python3
"""Mends the installed focus-validator for a Python before 3.12: one of its f-strings has a backslash
in an expression, which only later ones can read. Run it with the Python of its environment."""

import sys
import sysconfig
from pathlib import Path

FILE = "focus_validator/config_objects/focus_to_duckdb_converter.py"
WRITTEN = r"""k.replace('\"', '\"\"')"""
READABLE = "k.replace(chr(34), 2 * chr(34))"


def main() -> None:
    if sys.version_info >= (3, 12):
        return
    file = Path(sysconfig.get_path("purelib")) / FILE
    text = file.read_text()
    if WRITTEN not in text and READABLE not in text:
        sys.exit(f"{file}: the line that Python before 3.12 cannot read is not there any more")
    file.write_text(text.replace(WRITTEN, READABLE))


if __name__ == "__main__":
    main()
