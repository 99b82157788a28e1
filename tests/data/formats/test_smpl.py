"""SMPL parameters: what is read is written again, what a hand can compute is where it must be, poison is refused."""

from __future__ import annotations

import dataclasses
import os
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import check_written, positions, read_motion, resample, write_motion
from motion_jax.data.motion.rotations_np import matrix_from_rotvec
from motion_jax.errors import UserError
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.smpl import BODIES

F = 6
DRAW = np.random.default_rng(0)


def turned(*shape: int, dtype: type = np.float64) -> np.ndarray:
    return DRAW.normal(size=shape, scale=0.4).astype(dtype)


def matrices(*shape: int) -> np.ndarray:
    return matrix_from_rotvec(turned(*shape, 3)).astype(np.float32)


TRANS, BETAS = turned(F, 3), turned(16)
AMASS = {
    "poses": turned(F, 156), "trans": TRANS, "betas": BETAS, "gender": np.array("female"),
    "mocap_framerate": np.array(120.0), "dmpls": turned(F, 8),
}  # fmt: skip
PARTS = {"root_orient": turned(F, 3), "pose_body": turned(F, 63)}
X_PARTS = {**PARTS, "pose_hand": turned(F, 90), "pose_jaw": turned(F, 3), "pose_eye": turned(F, 6)}
X_WHOLE = np.concatenate(
    [X_PARTS[name] for name in ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")], 1
)
AMASS_X = {
    "gender": np.array(b"male"), "surface_model_type": np.array("smplx"), "mocap_frame_rate": np.array(100.0),
    "markers_latent_vids": np.array({"ARIEL": 8929}, dtype=object), "trans": TRANS, "poses": X_WHOLE, "betas": BETAS,
    "num_betas": np.array(16), **X_PARTS,
}  # fmt: skip
FILES = {
    "amass": (AMASS, 52),
    "amass of SMPL-X": (AMASS_X, 55),
    "parts of SMPL-X": ({**X_PARTS, "trans": TRANS, "mocap_frame_rate": np.array([60])}, 55),
    "SMPL": ({"poses": turned(F, 72, dtype=np.float32), "trans": TRANS, "fps": np.array(30)}, 24),
    "SMPL by joint": ({"poses": turned(F, 24, 3), "trans": TRANS, "fps": np.array(30)}, 24),
    "WHAM": (
        {"pose_world": turned(F, 72), "trans_world": TRANS, "betas": turned(F, 10), "fps": np.array(29.97)}, 24
    ),
    "GVHMR": (
        {"body_pose": turned(F, 63, dtype=np.float32), "betas": turned(F, 10), "global_orient": turned(F, 3),
         "transl": TRANS, "fps": np.array(30.0)}, 22,
    ),
    "SLAHMR": (
        {"trans": TRANS[None], "root_orient": turned(1, F, 3), "pose_body": turned(1, F, 63), "betas": turned(1, 16),
         "fps": np.array(30.0)}, 22,
    ),
    "hands by name": (
        {"global_orient": turned(F, 3), "body_pose": turned(F, 63), "left_hand_pose": turned(F, 45),
         "right_hand_pose": turned(F, 45), "transl": TRANS, "fps": np.array(30.0)}, 52,
    ),
}  # fmt: skip


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(("arrays", "joints"), FILES.values(), ids=FILES)
def test_what_was_read_is_written_bit_for_bit(tmp_path, arrays, joints):
    motion = read_motion(save(tmp_path / "a.npz", **arrays))
    assert motion.skeleton.joints == BODIES[joints].joints
    np.testing.assert_array_equal(motion.skeleton.offsets[:22], BODY22.offsets)
    assert motion.frames.shape == (F, 3 + 3 * joints)
    write_motion(motion, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz", allow_pickle=False) as again:
        assert set(again.files) == set(arrays) - {"dmpls", "markers_latent_vids"}
        for name in again.files:
            np.testing.assert_array_equal(again[name], arrays[name], err_msg=name)
            assert again[name].dtype == arrays[name].dtype
    np.testing.assert_array_equal(read_motion(tmp_path / "b.npz").frames, motion.frames)
    write_motion(motion, tmp_path / "c.motion.npz")  # and through the archive of ours
    write_motion(read_motion(tmp_path / "c.motion.npz"), tmp_path / "d.npz")
    assert (tmp_path / "d.npz").read_bytes()[-200:] == (tmp_path / "b.npz").read_bytes()[-200:]


def test_matrices_are_the_same_motion_as_vectors(tmp_path):
    root, body = matrices(F, 1), matrices(F, 23)
    arrays = {"global_orient": root, "body_pose": body, "betas": turned(F, 10)}
    motion = read_motion(save(tmp_path / "a.npz", **arrays), fps=30)
    assert motion.skeleton.name == "smpl"
    assert any("the root stays at the origin" in note for note in motion.notes)
    own = matrix_from_rotvec(-motion.frames[:, 3:].reshape(F, 24, 3))
    np.testing.assert_allclose(own, np.concatenate([root, body], axis=1), atol=1e-6)
    write_motion(motion, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as again:
        assert set(again.files) == {*arrays, "fps"}  # the rate that was told
        np.testing.assert_allclose(again["body_pose"], body, atol=1e-6)


def test_a_turn_is_where_a_hand_puts_it(tmp_path):
    poses = np.zeros((1, 156))
    poses[0, 2] = np.pi / 2  # the pelvis about z: x becomes y
    motion = read_motion(save(tmp_path / "a.npz", **{**AMASS, "poses": poses, "trans": np.array([[1.0, 2.0, 3.0]])}))
    x, y, z = BODY22.offsets[1]
    np.testing.assert_allclose(
        positions(motion)[0, :2], [[1000, 2000, 3000], [1000 - y, 2000 + x, 3000 + z]], atol=1e-9
    )
    assert (motion.fps, motion.skeleton.translation_mm) == (120.0, 1000.0)
    assert "not kept: dmpls" in motion.notes


def test_what_comes_of_a_motion_has_its_layout(tmp_path):
    motion = read_motion(save(tmp_path / "a.npz", **FILES["GVHMR"][0]))
    slow = dataclasses.replace(resample(motion, 10), source="a prediction")
    write_motion(slow, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as found:
        assert (found["body_pose"].shape, found["fps"], found["betas"].shape) == ((2, 63), 10, (2, 10))
        np.testing.assert_array_equal(found["transl"], TRANS[::3])
        np.testing.assert_array_equal(found["betas"], FILES["GVHMR"][0]["betas"][[-1, -1]])


def test_any_motion_of_these_joints_becomes_amass_and_others_are_refused(tmp_path, make):
    own = dataclasses.replace(read_motion(save(tmp_path / "a.npz", **FILES["GVHMR"][0])), extras={})
    write_motion(own, tmp_path / "b.smpl.npz")
    with np.load(tmp_path / "b.smpl.npz") as found:
        assert {name: found[name].shape for name in found.files} == {
            "trans": (F, 3), "gender": (), "mocap_framerate": (), "betas": (16,), "poses": (F, 156),
        }  # fmt: skip
        np.testing.assert_array_equal(found["poses"][:, :66], -own.frames[:, 3:])
        assert not found["poses"][:, 66:].any()
        np.testing.assert_array_equal(found["trans"], TRANS)
    write_motion(own, tmp_path / "b.npz")  # without a word of SMPL: ours
    assert read_motion(tmp_path / "b.npz").skeleton.name == "body22"
    with pytest.raises(UserError, match=r"c\.smpl\.npz: SMPL needs .* 'made' lacks pelvis, left_hip, .* and 16 more"):
        write_motion(make(), tmp_path / "c.smpl.npz")
    check_written("x.SMPL.npz")


def test_of_several_people_one_is_chosen(tmp_path):
    trans, mask = turned(3, F, 3), np.ones((3, F))
    mask[1, :2] = mask[1, 5:] = 0
    arrays = {"trans": trans, "root_orient": turned(3, F, 3), "pose_body": turned(3, F, 63), "betas": turned(3, 16)}
    path = save(tmp_path / "a.npz", **arrays, track_mask=mask)
    with pytest.raises(UserError, match=r"holds 3 people: choose one with --person=1 to 3 \(in Python "):
        read_motion(path, fps=30)
    with pytest.raises(UserError, match="person 4: it holds 3: it must be 1 to 3"):
        read_motion(path, fps=30, person=4)
    motion = read_motion(path, fps=30, person=2)
    np.testing.assert_array_equal(motion.frames[:, :3], trans[1, 2:5])
    assert "frames 2 to 4 of 6, in which the person was tracked (track_mask)" in motion.notes
    write_motion(motion, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as found:
        np.testing.assert_array_equal(found["pose_body"], arrays["pose_body"][1:2, 2:5])
        np.testing.assert_array_equal(found["betas"], arrays["betas"][1:2])
    with pytest.raises(UserError, match="BVH holds one person: person=1 must not be given"):
        read_motion(tmp_path / "a.bvh", person=1)


NAN, INFINITE = AMASS["poses"].copy(), TRANS.copy()
NAN[3, 7], INFINITE[5, 0] = np.nan, -np.inf
SKEWED = np.tile(np.eye(3), (F, 23, 1, 1))
SKEWED[2, 4, 0, 0] = 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mocap_framerate": None}, "frames per second (no array mocap_framerate, mocap_frame_rate, fps, framer"),
        ({"mocap_framerate": np.array(0)}, "mocap_framerate is 0: it must be one finite number above 0"),
        ({"mocap_framerate": np.array(["fast"])}, "mocap_framerate is fast: it must be one"),
        ({"poses": turned(F, 96)}, "poses is [6, 96]: it must be [F, 66] or [F, 72] or [F, 156] or [F, 165], rotation"),
        ({"poses": AMASS["poses"].astype(int)}, "poses is int64: it must be floating-point numbers"),
        ({"poses": NAN}, "poses: frame 3 has nan: it must be a finite number of rad"),
        ({"trans": INFINITE}, "trans: frame 5 has -inf: it must be a finite number of m"),
        ({"trans": TRANS[:4]}, "trans is [4, 3] and poses [6, 156]: they must have as many frames"),
        ({"trans": TRANS[:, :2]}, "trans is [6, 2]: it must be [F, 3]"),
        ({"poses": AMASS["poses"][:0], "trans": TRANS[:0]}, "poses has no frames"),
        ({"betas": np.full(16, np.nan)}, "betas must be finite numbers"),
        ({"poses": np.array([{}], dtype=object)}, "array 'poses.npy' is object: it must be numbers or text; objects"),
        ({"evil": np.array([{}], dtype=object)}, "array 'evil.npy' is object"),
        ({"poses": None}, "it has trans, betas, gender, mocap_framerate, dmpls"),
        ({"poses": None, "global_orient": turned(F, 3), "body_pose": SKEWED}, "body_pose: frame 2, matrix 4 is no"),
    ],
)  # fmt: skip
def test_poison_is_named_by_its_array(tmp_path, arrays, message):
    content = {name: array for name, array in {**AMASS, **arrays}.items() if array is not None}
    with pytest.raises(UserError) as caught:
        read_motion(save(tmp_path / "a.npz", **content))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'a.npz'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("frames", "held", "message"),
    [
        (4 * 10**12 // 1248, 0, "'poses.npy' claims another size than 128 bytes"),
        (100, 100, "poses has 100 frames of 159 numbers: it must be 15000 numbers at most"),
        (90, 90, "array 'poses': more than 110000 bytes of arrays together"),
        (5, 4, "array 'poses.npy' claims another size than 5120 bytes"),
    ],
)
def test_a_bomb_is_refused_before_memory_is_taken(tmp_path, monkeypatch, frames, held, message):
    monkeypatch.setattr("motion_jax.data.formats.smpl.MAX_NUMBERS", 15000)
    monkeypatch.setattr("motion_jax.data.formats._parsing.arrays.MAX_BYTES", 110000)
    head = (b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 156), }" % frames).ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        magic = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little")
        archive.writestr("poses.npy", magic + head + bytes(held * 1248))
    with pytest.raises(UserError) as caught:
        read_motion(tmp_path / "a.npz", fps=30)
    assert message in str(caught.value)


class Poison:
    """What a pickle may hold."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("opened",)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("wham_output.pkl", {"pose_world": 0, "trans_world": 0}, ("of WHAM", "joblib.load('wham_output.pkl')")),
        ("run.pt", {"smpl_params_global": 0}, ("of GVHMR", "torch.load('run.pt', map_location='cpu')")),
        ("downtown.pkl", {"jointPositions": 0, "genders": 0}, ("of 3DPW", "poses=d['poses'], trans=d['trans']")),
        ("demo.pkl", {"smpl": 0, "tid": 0}, ("of 4D-Humans", "f['smpl'][f['tid'].index(t)]")),
        ("a b.pkl", {"x": 0}, ("pathlib.Path('FILE.pkl').read_bytes(), encoding='latin1')", "numpy.savez('FILE.npz'")),
        ("weights.pth", {"x": 0}, ("torch.load('weights.pth', map_location='cpu')",)),
    ],
)  # fmt: skip
def test_a_pickle_is_never_opened(tmp_path, monkeypatch, name, content, words):
    monkeypatch.chdir(tmp_path)
    whole = pickle.dumps({**content, "poison": Poison()})
    (tmp_path / name).write_bytes(zlib.compress(whole) if name == "demo.pkl" else whole)  # as joblib has it there
    with pytest.raises(UserError) as caught:
        read_motion(name)
    assert not (tmp_path / "opened").exists()
    assert str(caught.value).startswith(f"{name}: is a pickle")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def run_the_line(message: str) -> None:
    """The python between the quotes of a refusal, as a shell would hand it over."""
    exec(message[message.index('python3 -c "') + len('python3 -c "') : message.rindex('"')], {})


def test_the_lines_make_files_that_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people = {"poses": [turned(F, 72), turned(F, 72)], "trans": [TRANS, TRANS], "betas": [BETAS, BETAS]}
    (tmp_path / "3dpw.pkl").write_bytes(pickle.dumps({**people, "genders": ["m", "f"], "jointPositions": []}, 2))
    (tmp_path / "any.pkl").write_bytes(pickle.dumps({"poses": turned(F, 72), "trans": TRANS, "meta": "x"}, 2))
    for name in ("3dpw", "any"):
        with pytest.raises(UserError) as caught:
            read_motion(f"{name}.pkl")
        run_the_line(str(caught.value))
    second = read_motion("3dpw.npz", person=2)
    assert (second.fps, len(second.frames), second.extras["genders"].tolist()) == (30, F, ["f"])
    assert len(read_motion("any.npz", fps=30).frames) == F
    objects = np.empty(2, object)
    objects[:] = [[1.0, 2.0], [3.0, 4.0]]
    save(tmp_path / "o.npz", **AMASS | {"betas": objects})
    with pytest.raises(UserError) as caught:
        read_motion("o.npz")
    run_the_line(str(caught.value))
    assert read_motion("o.numbers.npz").extras["betas"].tolist() == objects.tolist()


def test_other_files_are_told_from_unknown_ones():
    for suffix, word in (
        (".fbx", "FBX"),
        (".glb", "glTF 2.0"),
        (".usdz", "Universal Scene"),
        (".mvnx", "File > Export"),
    ):
        with pytest.raises(UserError, match=rf"a\{suffix}: is .*{word}.*bvh|a\{suffix}: is .*{word} > BVH"):
            read_motion(f"a{suffix}")
