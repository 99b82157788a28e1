"""Griffe extension of the docs site: the comments behind the fields of records become a table in the API pages."""

from __future__ import annotations

import re
from typing import Any

import griffe

COMMENT = re.compile(r"\s#\s(.*)$")


class Fields(griffe.Extension):
    """Adds "Attributes:" to the docstring of each dataclass and NamedTuple."""

    def on_class_members(self, *, node: Any, cls: griffe.Class, agent: Any, **kwargs: Any) -> None:
        """Called once a class has been read."""
        del node, agent, kwargs
        fields = [member for member in cls.members.values() if isinstance(member, griffe.Attribute)]
        rows = [f"    {field.name}: {_comment(field)}" for field in fields
                if field.annotation and "property" not in field.labels and not field.name.startswith("_")]  # fmt: skip
        record = "dataclass" in cls.labels or any(str(base) == "NamedTuple" for base in cls.bases)
        if record and rows and cls.docstring and "Attributes:" not in cls.docstring.value:
            cls.docstring.value += "\n\nAttributes:\n" + "\n".join(rows)


def _comment(field: griffe.Attribute) -> str:
    """What stands behind a field on its line."""
    found = COMMENT.search(field.lines[0]) if field.lines else None
    return found[1] if found else "-"
