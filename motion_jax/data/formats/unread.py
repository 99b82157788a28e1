"""Files of other suffixes that people have, and what to do with them."""

from __future__ import annotations

from pathlib import Path

from motion_jax.data.formats._parsing import pickles

_BLENDER = "it is not read: in Blender, File > Import > {}, then File > Export > Motion Capture (.bvh)"
_UNREAD = {
    ".fbx": "is FBX, " + _BLENDER.format("FBX (.fbx)"),
    ".glb": "is glTF, " + _BLENDER.format("glTF 2.0 (.glb/.gltf)"),
    ".gltf": "is glTF, " + _BLENDER.format("glTF 2.0 (.glb/.gltf)"),
    ".vrm": "is VRM, which is glTF, " + _BLENDER.format("glTF 2.0, of a copy that ends in .glb"),
    ".usd": "is USD, " + _BLENDER.format("Universal Scene Description"),
    ".usda": "is USD, " + _BLENDER.format("Universal Scene Description"),
    ".usdc": "is USD, " + _BLENDER.format("Universal Scene Description"),
    ".usdz": "is USD, " + _BLENDER.format("Universal Scene Description"),
    ".dae": "is Collada, " + _BLENDER.format("Collada (.dae), up to Blender 4"),
    ".blend": "is a scene of Blender, it is not read: in Blender, File > Export > Motion Capture (.bvh)",
    ".bip": "is Biped of 3ds Max, it is not read: in 3ds Max, save the motion as .bvh",
    ".mvnx": "is MVNX of Xsens, it is not read: in MVN, File > Export > BVH",
    ".mvn": "is a recording of Xsens MVN, it is not read: in MVN, File > Export > BVH",
    ".trc": "is TRC, positions of markers without a body, it is not read: write BVH or C3D where it was recorded",
}


def why_unread(path: Path) -> str | None:
    """One line on a file that is known and not read; None where the suffix is not known."""
    suffix = path.suffix.lower()
    if suffix in pickles.SUFFIXES:
        return pickles.why_no_pickle(path)
    return f"{path}: {_UNREAD[suffix]}" if suffix in _UNREAD else None
