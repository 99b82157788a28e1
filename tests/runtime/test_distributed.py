"""Processes that find each other: by flags, SLURM's, Open MPI's and Kubernetes' variables, or not at all."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.runtime import distributed
from motion_jax.runtime.distributed import Processes, find_processes

SLURM = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "n[01-02]", "SLURM_NTASKS": "2", "SLURM_PROCID": "1",
         "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": "2"}  # fmt: skip
OMPI = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:1"}
POD = {"JOB_COMPLETION_INDEX": "2"}
FOUND = {
    "nothing": ((None, None, None), {}, None),
    "one by flags": ((None, 1, 0), {}, None),
    "flags": (("host:1234", 2, 1), {}, Processes("host:1234", 2, 1)),
    "an IPv6 address": (("[::1]:1234", 2, 1), {}, Processes("[::1]:1234", 2, 1)),
    "slurm": ((None, None, None), SLURM, Processes(None, 2, 1, "slurm")),
    "slurm, one task": ((None, None, None), SLURM | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"}, None),
    "a shell of salloc -n 2": ((None, None, None), SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, None),
    "a script of sbatch": ((None, None, None), {k: v for k, v in SLURM.items() if "STEP" not in k}, None),
    "a flag before slurm": (("host:1", None, None), SLURM, Processes("host:1", 2, 1, "slurm")),
    "open mpi": ((None, None, None), OMPI, Processes(None, 4, 3, "ompi")),
    "open mpi in a job of slurm": ((None, None, None), SLURM | OMPI, Processes(None, 4, 3, "ompi")),
    "a pod": ((None, 4, None), POD, Processes("train-0.pods.ns.svc:55527", 4, 2)),
    "a pod alone": ((None, None, None), POD, None),
    "a pod with an address": (("host:1", 4, None), POD, Processes("host:1", 4, 2)),
}
REFUSED = {
    "a number that is none of them": (("h:1", 2, 2), {}, r"--process_id=2: must be from 0 to 1"),
    "none": (("h:1", 0, 0), {}, r"--num_processes=0: must be at least 1"),
    "no number": (("h:1", 2, None), {}, r"--process_id is missing"),
    "no count": (("h:1", None, 0), {}, r"--num_processes is missing"),
    "no address": ((None, 2, 0), {}, r"--coordinator is missing"),
    "no port": (("host", 2, 0), {}, r"--coordinator=host: must be HOST:PORT"),
    "open mpi 5 tells no address": ((None, None, None), {k: v for k, v in OMPI.items() if "uri" not in k},
                                    r"--coordinator is missing"),
    "a variable that is no number": ((None, None, None), SLURM | {"SLURM_PROCID": "x"},
                                     r"SLURM_PROCID, which the cluster sets, is 'x': it must be a whole number from 0"),
    "a job that is no number": ((None, None, None), SLURM | {"SLURM_JOB_ID": "x7"}, r"SLURM_JOB_ID, .* is 'x7'"),
    "a rank that is no number": ((None, None, None), OMPI | {"OMPI_COMM_WORLD_RANK": "zz"}, r"_WORLD_RANK, .* is 'zz'"),
    "no rank": ((None, None, None), {"OMPI_COMM_WORLD_SIZE": "2"}, r"_WORLD_RANK, .* is missing: it must be"),
    "a pod that is no number": ((None, None, None), {"JOB_COMPLETION_INDEX": "abc"}, r"JOB_COMPLETION_INDEX, .*'abc'"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_processes_are_found(case: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "getfqdn", lambda: "train-2.pods.ns.svc")
    given, environment, expected = FOUND[case]
    assert find_processes(*given, environment=environment) == expected


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_missing_or_cannot_be_is_named(case: str):
    given, environment, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        find_processes(*given, environment=environment)


def test_a_pod_that_does_not_know_of_others_says_so(caplog: pytest.LogCaptureFixture):
    assert find_processes(environment=POD) is None
    assert "JOB_COMPLETION_INDEX=2, but --num_processes is not given: this process runs alone" in caplog.text
    caplog.clear()
    assert find_processes(None, 1, None, POD) is None
    assert not caplog.text


def test_processes_that_share_files_need_no_address():
    assert find_processes(None, 3, 2, {}, connected=False) == Processes(None, 3, 2)


def test_a_single_process_agrees_with_itself():
    assert distributed.is_first()
    assert distributed.on_first(lambda: 3) == 3
    assert distributed.share_json({"a": [1.5, None]}) == {"a": [1.5, None]}
    assert distributed.in_shares(5, lambda rows: rows * 2).tolist() == [0, 2, 4, 6, 8]
    assert distributed.gather(np.zeros((2, 3))).shape == (1, 2, 3)
    distributed.check_agreement({"batch": 8})
    told = []
    stop = distributed.AgreedSignal(lambda: told[-1] if told else None)
    stop.vote()
    assert stop.signal is None
    told.append(15)
    assert stop.signal == 15
    assert not distributed.is_lost(RuntimeError("Gloo all-reduce failed"))


def test_an_address_where_nobody_listens_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(distributed, "_JOIN_S", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=rf"--coordinator=127\.0\.0\.1:{port}: cannot be reached in 0 s: Conn"):
        distributed._wait_for(f"127.0.0.1:{port}")
