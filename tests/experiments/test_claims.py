"""Several workers on one sweep: every run is trained by one of them, whichever is killed, and once to its end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from motion_jax.errors import UserError
from motion_jax.evaluation.report import read_json
from motion_jax.experiments.claims import claims
from motion_jax.experiments.sweep import Shard, parse_shard

ROOT = Path(__file__).absolute().parents[2]
WORKER = '''
import sys, time
from pathlib import Path
from motion_jax.config import Experiment, TrainConfig
from motion_jax.errors import UserError
from motion_jax.evaluation.report import Report, combine, read_json, write_json
from motion_jax.experiments.sweep import Sweep, parse_shard, plan, run_all

class Slow:
    """Trains nothing, for a while; tells of each run when it begins and when it ends."""
    combine, read_json, write_json = map(staticmethod, (combine, read_json, write_json))
    def data_key(self, experiment):
        return "key"
    def train_and_score(self, run):
        told(f"begins {run.folder.parent.name} {run.folder.name}")
        time.sleep(0.1)
        told(f"ends {run.folder.parent.name} {run.folder.name}")
        return self.baseline(run)
    def baseline(self, run):
        config, data = run.experiment.to_dict(), {"name": "none", "files": 1, "frames": 1, "key": "key"}
        return [Report(run.experiment.name, "free_running", "srnn", "euler_error_rad", [2], [80.0], [80],
                       {"walking": [1.0 + run.experiment.train.seed]}, [1.0 + run.experiment.train.seed], [], 8, 1,
                       None, config, data)]

def told(line):
    with (folder / "told").open("a") as file:
        file.write(line + "\\n")

folder, text = Path(sys.argv[1]), sys.argv[2]
members = {f"m{i}": {"train.batch": i + 1} for i in range(8)}
runs = plan(Sweep(Experiment(train=TrainConfig(steps=10)), members), {}, 3, folder / "runs")
(folder / f"ready{text[0]}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
outcome = run_all(runs, Slow(), parse_shard(text))
if outcome.reports:
    write_json(outcome.reports, folder / f"table{text[0]}.json")
'''
"""24 runs, of which each takes a moment."""


@pytest.mark.slow
def test_what_killed_workers_had_claimed_is_taken_up_by_another(tmp_path: Path):
    dice = random.Random(0)
    calls = [[sys.executable, "-c", WORKER, str(tmp_path), f"{number}/3"] for number in (1, 2, 3)]
    workers = [subprocess.Popen(call, cwd=ROOT) for call in calls]
    while len(list(tmp_path.glob("ready*"))) < 3:
        assert [worker.poll() for worker in workers] == [None] * 3
        time.sleep(0.01)
    (tmp_path / "go").touch()
    for victim in workers[1:]:
        time.sleep(dice.uniform(0.15, 0.3))
        victim.kill()
    assert [worker.wait() for worker in workers] == [0, -signal.SIGKILL, -signal.SIGKILL]
    told = Counter((tmp_path / "told").read_text().splitlines())
    runs = [f"m{i} seed{seed}" for i in range(8) for seed in range(3)]
    assert {line.partition(" ")[2] for line in told} == set(runs)
    twice = [run for run in runs if told[f"begins {run}"] > 1]
    assert len(twice) <= 2  # those that were being trained by the killed
    assert all(told[f"begins {run}"] == 1 + (run in twice) and told[f"ends {run}"] >= 1 for run in runs)
    assert not (tmp_path / "table2.json").exists()
    table = read_json(tmp_path / "table1.json")
    assert [(report.model, report.seeds, report.average) for report in table[:8]] == [
        (f"m{i}", 3, [2.0]) for i in range(8)
    ]


def test_a_claim_is_one_worker_s(tmp_path: Path):
    with claims() as mine, claims() as others:
        assert mine.claim(tmp_path / "run", needed=True)
        assert not others.claim(tmp_path / "run", needed=True)
        mine.release(tmp_path / "run")
        assert others.claim(tmp_path / "run", needed=True)
    with claims() as later:
        assert later.claim(tmp_path / "run", needed=True)


def test_a_shard_is_one_of_some():
    assert parse_shard("2/8") == Shard(2, 8)
    for text in ("0/8", "9/8", "8", "1/", "a/b", "1/0"):
        with pytest.raises(UserError, match=rf"--shard={text}: must be i/n"):
            parse_shard(text)
