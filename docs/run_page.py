"""Runs the Python of a page, its blocks in order as one program: `python docs/run_page.py PAGE.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType


def program(page: Path) -> CodeType:
    """The blocks of a page, compiled; line numbers in messages are the page's."""
    lines, inside = [], False
    for line in page.read_text().splitlines():
        fence = line.startswith("```")
        inside = line == "```python" if fence else inside
        lines.append(line if inside and not fence else "")
    return compile("\n".join(lines), str(page), "exec")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python docs/run_page.py PAGE.md")
    sys.path.insert(0, ".")  # the package, where it is run from a checkout and not installed
    exec(program(Path(sys.argv[1])), {"__name__": "__main__"})
