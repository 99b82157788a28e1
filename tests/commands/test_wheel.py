"""The built package: what it holds, and that it works in an environment of its own, from an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import motion_jax

pytestmark = pytest.mark.slow

ROOT = Path(__file__).absolute().parents[2]
UNSHIPPED = (".ci/", ".github/", ".gitignore")  # tracked, and of use in a checkout only

SMALL = (
    "--config.data.actions=walking", "--config.train.steps=2", "--config.train.batch=2", "--config.model.hidden=4",
    "--config.train.steps_per_dispatch=2", "--config.model.attention=none", "--config.eval.metrics=euler_error_rad",
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist and the wheel, from a checkout in which a user has worked."""
    pytest.importorskip("hatchling")
    checkout = tmp_path_factory.mktemp("build") / "checkout"
    unwanted = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "dist", "quickstart")
    shutil.copytree(ROOT, checkout, ignore=unwanted)
    for name in ("recordings/walk.bvh", "prepared/frames.npy", "runs/run/config.json", "docs/mine/capture.c3d",
                 "motion_jax/data/frames.npy", "tests/mine.bvh", "launch/notes.txt", "configs/data.npz", "other.whl",
                 "my_results.csv"):  # fmt: skip
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", "dist"], cwd=checkout, check=True)
    (sdist,), (wheel,) = (checkout / "dist").glob("*.tar.gz"), (checkout / "dist").glob("*.whl")
    return sdist, wheel


def test_the_sdist_holds_the_project_and_nothing_else(built: tuple[Path, Path]):
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: what is tracked cannot be told")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(built[0]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in tracked if not name.startswith(UNSHIPPED) and (ROOT / name).exists()}
    assert held - {"PKG-INFO", ".gitignore"} == wanted


def test_the_wheel_holds_the_package_alone(built: tuple[Path, Path]):
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        assert f"\nVersion: {motion_jax.__version__}\n" in archive.read(metadata).decode()
    info = f"motion_jax-{motion_jax.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"motion_jax", info}
    held = {name for name in names if not name.startswith(info)}
    package = {path.relative_to(ROOT).as_posix() for suffix in ("py", "csv", "js", "css", "html", "typed")
               for path in (ROOT / "motion_jax").rglob(f"*.{suffix}")}  # fmt: skip
    configs = {f"motion_jax/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.py")}
    weights = {path.relative_to(ROOT).as_posix() for path in (ROOT / "motion_jax" / "weights").rglob("*.*")}
    assert held == package | configs | weights


class Installed:
    """The wheel in a fresh environment, which borrows only the dependencies; commands run in an empty folder."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.folder = folder / "empty"
        self.folder.mkdir()
        self._cache = folder / "cache"
        bin = folder / "env" / "bin"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
        (site,) = (folder / "env" / "lib").glob("python*/site-packages")
        # not through a .pth file of its own, so that what is installed here in editable form is not found
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        install = ["--python", str(bin / "python"), "install", "--no-deps", "--no-index", "--quiet", str(wheel)]
        subprocess.run([sys.executable, "-m", "pip", *install], check=True)
        self.site, self._bin = site, bin

    def __call__(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        own = {"XDG_CACHE_HOME": str(self._cache), "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
        return subprocess.run(
            [str(self._bin / name), *arguments], cwd=self.folder, env=kept | own, capture_output=True, text=True
        )

    def run(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        done = self("motion-jax", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(built[1], tmp_path_factory.mktemp("installed"))


def test_it_is_found_and_takes_no_other_name(installed: Installed):
    assert installed.run("--help").startswith(f"motion-jax {motion_jax.__version__}: ")
    assert f"{motion_jax.__version__}, in {installed.site / 'motion_jax'}\n" in installed.run("info")
    for name in ("launch", "configs", "tests"):
        done = installed("python", "-c", f"import {name}")
        assert f"No module named '{name}'" in done.stderr
    lost = installed("motion-jax", "sweep", "--sweep=cel", "--workdir=x")
    assert (lost.returncode, lost.stderr.count("\n")) == (2, 1)
    assert "did you mean cell?); shipped are attention, cell, " in lost.stderr


def test_from_an_empty_folder_to_a_prediction(installed: Installed):
    """The pieces of the quickstart, by the names of shipped configurations."""
    installed.run("prepare", "--dataset=synthetic", "--actions=walking", "--text", "--out=made")
    out = installed.run("train", "--config=bi_enc_50", "--workdir=run", *SMALL)
    assert "trained 2 steps" in out
    installed.run("evaluate", "--workdir=run", "--json=report.json")
    reports = json.loads((installed.folder / "report.json").read_text())["reports"]
    assert {report["mode"] for report in reports} == {"free_running", "one_step"}
    source = next(iter(sorted((installed.folder / "made").rglob("walking_1.txt"))))
    for output in ("next.txt", "next.bvh"):
        installed.run("predict", "--workdir=run", f"--input={source}", f"--output={output}", "--action=walking")
    assert len((installed.folder / "next.txt").read_text().splitlines()) == 25
    out = installed.run("quickstart", *SMALL)
    assert "Zero-velocity" in out
    assert (installed.folder / "quickstart" / "report.md").exists()
