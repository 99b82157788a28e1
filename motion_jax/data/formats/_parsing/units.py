"""The names that files give to units."""

from __future__ import annotations

from motion_jax.data.formats._parsing.lines import Line, clip

LENGTHS_MM = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0,
    "cm": 10.0, "centimeter": 10.0, "centimeters": 10.0, "centimetre": 10.0, "centimetres": 10.0, "dm": 100.0,
    "m": 1000.0, "meter": 1000.0, "meters": 1000.0, "metre": 1000.0, "metres": 1000.0,
    "in": 25.4, "inch": 25.4, "inches": 25.4, "ft": 304.8, "foot": 304.8, "feet": 304.8,
}  # fmt: skip
DEGREES = ("deg", "degree", "degrees")
RADIANS = ("rad", "radian", "radians")


def length_mm(line: Line, word: str) -> float:
    """mm to a unit of length. Raises `UserError` on an unknown name."""
    if word.lower() not in LENGTHS_MM:
        raise line.error(f"unit of length {clip(word)!r}: it must be one of {', '.join(LENGTHS_MM)}")
    return LENGTHS_MM[word.lower()]


def says_degrees(line: Line, word: str) -> bool:
    """Whether a word is the name of degrees and not of radians. Raises `UserError` if it is neither."""
    if word.lower() not in DEGREES + RADIANS:
        raise line.error(f"unit of angles {clip(word)!r}: it must be degrees or radians")
    return word.lower() in DEGREES
