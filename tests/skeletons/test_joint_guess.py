"""Bodies without names that anyone knows, mapped by their shape."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.joint_map import GUESSED, JointMap, map_joints
from motion_jax.skeletons.skeleton import Joint, Skeleton


def nameless(body: Skeleton) -> Skeleton:
    """The body with numbers for names; ends stay ends, as readers call them."""
    return dataclasses.replace(
        body,
        joints=tuple(f"j{j}" + ".Site" * name.endswith((".Site", ".End")) for j, name in enumerate(body.joints)),
    )


def sided(body: Skeleton) -> Skeleton:
    """The body with numbers for names that tell sides and nothing else."""
    counts = {"left": 0, "right": 0, "centre": 0}
    names = []
    for joint in range(len(body.joints)):
        side = body.side(joint)
        counts[side] += 1
        names.append(f"{side[0]}_{counts[side]}")
    return dataclasses.replace(body, joints=tuple(names))


def places(body: Skeleton, found: JointMap) -> list[int | None]:
    """The first joint that lies where each does: of those on one place names and shape may take others."""
    return [None if joint is None else body.coincident[joint] for joint in found.joints]


@pytest.mark.parametrize("body", [BODY22, CMU, H36M], ids=lambda body: body.name)
def test_published_bodies_without_names(body: Skeleton) -> None:
    found = map_joints(nameless(body))
    assert found.rig == GUESSED
    assert places(body, found) == places(body, map_joints(body))


def test_arms_that_lie_on_each_other_are_told_by_their_order_and_it_is_said() -> None:
    assert any(
        "which arm is the left one cannot be told: 'j16', the first" in note
        for note in map_joints(nameless(H36M)).notes
    )


def detailed(standing: bool = True) -> Skeleton:
    """A body with an extra root far away, split spine, twist bones, fingers, a face and a sword in the right hand."""
    rows = [Joint(name, parent or "Armature", part, offset) for name, parent, part, offset in _rows()]
    rows = [Joint("Armature", None, "spine", (0, 0, 0)), *rows]
    for side in ("left", "right"):
        part, x = f"{side}_arm", 1 if side == "left" else -1
        rows += [
            Joint(f"{side}_{finger}{k}", f"{side}_{finger}{k - 1}" if k > 1 else f"{side}_wrist", part,
                  (x * (80 if k == 1 else 30), 0, z))
            for finger, z in (("thumb", 40), ("index", 15), ("ring", -15)) for k in (1, 2, 3)
        ]  # fmt: skip
        rows += [
            Joint(f"{side}_elbow_twist", f"{side}_elbow", part, (x * 120, 0, 0)),
            Joint(f"{side}_hip_twist", f"{side}_hip", f"{side}_leg", (0, -200, 0)),
            Joint(f"{side}_eye", "head", "spine", (x * 30, 60, 80)),
            Joint(f"{side}_foot_end", f"{side}_foot", f"{side}_leg", (0, 0, 70)),
        ]
    rows.append(Joint("sword", "right_wrist", "right_arm", (-20, -60, 900)))
    body = Skeleton.from_table("detailed", rows)
    if not standing:  # all bones along x, as makers have them whose joints' axes lie on the bones
        lateral = [body.index(f"{side}_{name}") for side in ("left", "right") for name in ("hip", "collar")]
        offsets = np.zeros_like(body.offsets)
        offsets[:, 0] = np.linalg.norm(body.offsets, axis=1)
        offsets[lateral] = body.offsets[lateral][:, [1, 2, 0]]
        body = dataclasses.replace(body, offsets=offsets)
    return body


def _rows() -> list[tuple[str, str | None, str, tuple[float, float, float]]]:
    table = []
    for joint, name in enumerate(BODY22.joints):
        above = BODY22.parents[joint]
        offset = tuple(BODY22.offsets[joint]) if above >= 0 else (2000.0, 950.0, -4000.0)
        table.append((name, BODY22.joints[above] if above >= 0 else None, BODY22.parts[joint], offset))
    return table


@pytest.mark.parametrize("standing", [True, False])
def test_fingers_twist_bones_props_and_far_roots_are_passed_over(standing: bool) -> None:
    body = detailed(standing)
    hidden = nameless(body) if standing else sided(body)
    found = map_joints(hidden)
    assert found.rig == GUESSED
    assert [None if joint is None else body.joints[joint] for joint in found.joints] == list(BODY22.joints)
    taken = next(note for note in found.notes if note.startswith("by structure"))
    assert f"left_wrist = {hidden.joints[body.index('left_wrist')]}" in taken


def test_sides_that_nothing_tells_are_refused() -> None:
    body = detailed(standing=False)
    with pytest.raises(
        UserError, match=r"left cannot be told from right: neither the names of the legs, 'j2' and 'j3'"
    ):
        map_joints(nameless(body))


def test_clavicles_on_the_neck_and_thighs_beside_the_trunk() -> None:
    """3ds Max hangs the arms on the neck; Daz hangs the legs on a joint beside the spine."""
    moved = {"left_collar": "neck", "right_collar": "neck", "left_hip": "legs", "right_hip": "legs"}
    table = [Joint(name, moved.get(name, above), part, offset) for name, above, part, offset in _rows()]
    table.insert(1, Joint("legs", "pelvis", "spine", (0, -20, 0)))
    table = [row._replace(offset=(row.offset[0] / 3, 0, 0)) if "collar" in row.name else row for row in table]
    table.sort(key=lambda row: "left_" in row.name or "right_" in row.name)
    body = Skeleton.from_table("moved", table)
    found = map_joints(nameless(body))
    assert [None if joint is None else body.joints[joint] for joint in found.joints] == list(BODY22.joints)
