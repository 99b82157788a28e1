"""Joint maps: every rig of the table, prefixes, hierarchies that contradict, users' tables, refusals."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.joint_map import GUESSED, RigNames, known_rigs, map_joints
from motion_jax.skeletons.skeleton import Skeleton

ROOT = Path(__file__).parents[2]
RIGS = known_rigs()


def made_body(rig: RigNames, prefix: str = "") -> tuple[Skeleton, list[str]]:
    """The canonical body with the joints of a rig alone, under their first free names; what each stands for."""
    names: dict[str, str] = {}
    for joint in ("pelvis", "spine3", *BODY22.joints):
        if joint in rig.names and joint not in names:
            names[joint] = next(name for name in rig.names[joint] if name not in names.values())
    joints = [joint for joint in BODY22.joints if joint in names]
    parents, offsets = [], []
    for joint in joints:
        offset, above = BODY22.offsets[BODY22.index(joint)].copy(), BODY22.parents[BODY22.index(joint)]
        while above >= 0 and BODY22.joints[above] not in names:
            offset += BODY22.offsets[above]
            above = BODY22.parents[above]
        parents.append(-1 if above < 0 else joints.index(BODY22.joints[above]))
        offsets.append(offset)
    called = tuple(prefix + names[joint] for joint in joints)
    return Skeleton("made", called, tuple(parents), ("spine",) * len(joints), np.array(offsets)), joints


@pytest.mark.parametrize("rig", RIGS, ids=lambda rig: rig.name)
def test_every_rig_is_mapped_by_its_names(rig: RigNames) -> None:
    body, joints = made_body(rig)
    found = map_joints(body)
    assert found.rig == rig.name
    assert found.joints == tuple(joints.index(name) if name in joints else None for name in BODY22.joints)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("LAFAN1", "Robot_"),
        ("Mixamo", "mixamorig1:"),
        ("Mixamo", "mixamorig_"),
        ("OptiTrack", "Skeleton_"),
        ("SMPL L_ R_", "m_avg_"),
        ("3ds Max Biped", "Bip001 "),
        ("Blender Rigify", "DEF-"),
    ],
)
def test_prefixes_case_and_separators_do_not_count(name: str, prefix: str) -> None:
    body, joints = made_body(next(rig for rig in RIGS if rig.name == name))
    plain = (joint.rpartition(":")[2].removeprefix("Bip01 ") for joint in body.joints)
    body = dataclasses.replace(body, joints=tuple(prefix + joint.upper().replace("_", " ") for joint in plain))
    assert map_joints(body).joints == tuple(joints.index(name) if name in joints else None for name in BODY22.joints)


def test_numbers_that_an_exporter_gave_all_joints_do_not_count() -> None:
    body, _ = made_body(next(rig for rig in RIGS if rig.name == "Character Creator"))
    counted = dataclasses.replace(body, joints=tuple(f"{name}_{j:02}" for j, name in enumerate(body.joints)))
    assert map_joints(counted).joints == map_joints(body).joints


def test_published_bodies() -> None:
    human, cmu = map_joints(H36M), map_joints(CMU)
    assert (human.rig, cmu.rig, map_joints(BODY22).joints) == ("Human3.6M", "CMU BVH", tuple(range(22)))
    assert [joint for joint, number in zip(BODY22.joints, human.joints, strict=True) if number is None] == ["spine2"]
    assert human.notes[-1] == "without spine2"
    assert None not in cmu.joints


def test_the_chest_is_where_the_arms_part_and_end_sites_are_toes() -> None:
    """Makers number the spine as far as they like; many feet have an end site alone."""
    names = [
        *("Hips", "Spine", "Spine1", "Spine2", "Spine3", "Neck", "Head"),
        *(side + joint for side in ("Left", "Right") for joint in ("Arm", "ForeArm", "Hand")),
        *(side + joint for side in ("Left", "Right") for joint in ("UpLeg", "Leg", "Foot", "Foot.Site")),
    ]
    parents = [-1, 0, 1, 2, 3, 4, 5, 4, 7, 8, 4, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]
    body = Skeleton("zero", tuple(names), tuple(parents), ("spine",) * 21, np.ones((21, 3)))
    found = dict(zip(BODY22.joints, map_joints(body).joints, strict=True))
    assert (found["spine3"], found["left_foot"], found["left_collar"]) == (4, 16, None)
    assert "left_foot is 'LeftFoot.Site'" in map_joints(body).notes


def test_helpers_give_way_to_the_joint_whose_name_they_share() -> None:
    """MakeHuman puts "__UpLeg_L" between the pelvis and "UpLeg_L"; without separators the two are called alike."""
    body, joints = made_body(next(rig for rig in RIGS if rig.name == "BVH of MakeHuman 2"))
    hip = joints.index("left_hip")
    kept = [number + (number >= hip) for number in range(len(joints))]  # where the joints are once a helper is put in
    parents = [-1 if parent < 0 else kept[parent] for parent in body.parents]
    parents[hip : hip + 1] = [parents[hip], hip]
    names = [*body.joints[:hip], "__UpLeg_L", *body.joints[hip:]]
    offsets = np.insert(body.offsets, hip, 0.0, axis=0)
    found = map_joints(Skeleton("made", tuple(names), tuple(parents), ("spine",) * len(names), offsets))
    assert found.joints == tuple(kept[joints.index(name)] for name in BODY22.joints)


def test_the_end_of_a_forearm_is_the_wrist_of_a_rig_that_may_lack_hands() -> None:
    body, joints = made_body(next(rig for rig in RIGS if rig.name == "FreeMoCap"))
    names = tuple(re.sub(r"^hand\.(.)$", r"forearm.\1.Site", name) for name in body.joints)
    found = map_joints(dataclasses.replace(body, joints=names))
    assert found.rig == "FreeMoCap"
    assert found.joints[BODY22.index("left_wrist")] == joints.index("left_wrist")


def test_a_hierarchy_that_contradicts_the_names_is_read_by_its_shape() -> None:
    swapped = {"left_hip": "left_knee", "left_knee": "left_hip"}
    found = map_joints(dataclasses.replace(BODY22, joints=tuple(swapped.get(name, name) for name in BODY22.joints)))
    assert found.rig == GUESSED
    assert found.joints == tuple(range(22))
    assert any("no rig's names fit: the nearest, 'SMPL', lacks left_knee" in note for note in found.notes)


OWN = "rig,joint,names,checked\n" + "".join(f"mine,{joint},a_{joint}|b_{joint},\n" for joint in BODY22.joints)


def test_a_users_table_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("# two names for each joint\n" + OWN)
    other = dataclasses.replace(BODY22, joints=tuple(f"B {name}" for name in BODY22.joints))
    found = map_joints(other, path)
    assert (found.rig, found.joints) == ("mine", tuple(range(22)))
    known = map_joints(BODY22, path)
    assert known.rig == "SMPL"
    assert f"no rig of {path} fits: 'mine' lacks pelvis, left_hip" in known.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("left_knee,", "left_nee,"), r"mine.csv:6: joint 'left_nee'; it must be one of pelvis, left_hip"),
        (("mine,left_knee,a_left_knee|b_left_knee,\n", ""), r"mine.csv:2: rig 'mine' has no line for left_knee"),
        (("mine,left_knee", "mine,left_hip"), r"mine.csv:6: joint 'left_hip' of rig 'mine' a second time"),
        (("a_left_knee|b_left_knee", " | "), r"mine.csv:6: names '\|'; it must be joints' names separated by '\|'"),
        (("mine,left_knee", ",left_knee"), r"mine.csv:6: the rig has no name"),
        (("names,checked", "name,checked"), r"mine.csv:1: columns 'rig,joint,name,checked'; they must be rig,joint"),
        (("b_left_knee,", "b_left_knee"), r"mine.csv:6: 3 columns; they must be rig,joint,names,checked"),
        ((OWN, ""), r"mine.csv: no rig is in it"),
    ],
)
def test_faults_of_a_users_table_are_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(OWN.replace(*change))
    with pytest.raises(UserError, match=message):
        map_joints(BODY22, path)


def test_a_users_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.csv: cannot be read as a table of joints: No such file"):
        map_joints(BODY22, tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes(b"rig\xe9")
    with pytest.raises(UserError, match=r"latin.csv: .*it is not UTF-8 text"):
        map_joints(BODY22, tmp_path / "latin.csv")


def test_a_refusal_names_what_is_lacking_and_what_was_found() -> None:
    body = dataclasses.replace(BODY22, joints=tuple(name.replace("wrist", "x") for name in BODY22.joints))
    head = [joint for joint, part in enumerate(body.parts) if not part.endswith("arm")]
    body = Skeleton(
        "torso",
        tuple(body.joints[joint] for joint in head),
        tuple(-1 if joint == 0 else head.index(body.parents[joint]) for joint in head),
        tuple(body.parts[joint] for joint in head),
        body.offsets[head],
    )
    with pytest.raises(UserError) as error:
        map_joints(body)
    message = str(error.value)
    assert message.startswith("skeleton 'torso'")
    assert "lacks left_shoulder, left_elbow, left_wrist, right_shoulder, right_elbow, right_wrist of 'SMPL'" in message
    assert "left_ankle = left_ankle" in message
    assert message.endswith("name its joints with --joint_map=FILE")


def test_the_page_lists_every_rig() -> None:
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \| (.+?) \|$", (ROOT / "docs" / "bodies.md").read_text(), re.MULTILINE)
    wanted = [
        (rig.name, ", ".join(rig.names[name][0] for name in ("pelvis", "left_knee", "left_elbow")), rig.checked)
        for rig in RIGS
    ]
    assert rows == wanted
