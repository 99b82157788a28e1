"""Times updates: of 8 seeds as one program against 8 in turn, and of one run on more and more devices.

    python -m tests.train.time_steps together [--config=quickstart] [--seeds=8] [--rounds=7]
    python -m tests.train.time_steps scaling [--config=quickstart] [--devices=1,2,4,8] [--share=16] [--rounds=7]

`together` measures one dispatch of K updates (`train.steps_per_dispatch`), after compiling, and how long compiling
takes; what is compared is measured in turn, round after round, and the least of each is printed. `scaling` keeps the
batch of a device (`--share`) and adds devices, of which XLA makes as many as it is told of one processor: that tells
what sharing a batch costs, not how fast as many real devices would be.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import time
from collections.abc import Callable
from typing import Any

import jax

from motion_jax.commands.shipped import find_config
from motion_jax.config import Experiment
from motion_jax.data.cache import open_dataset
from motion_jax.runtime.devices import data_mesh, mesh_of
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state, make_train_steps
from motion_jax.train.together import make_steps_together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("together", "scaling"))
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--hidden", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--devices", default="1,2,4,8")
    parser.add_argument("--share", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    experiment = _experiment(options.config)
    if options.hidden:
        experiment = experiment.changed({"model.hidden": options.hidden})
    (_together if options.what == "together" else _scaling)(experiment, options)


def _experiment(name: str) -> Experiment:
    namespace: dict[str, Any] = {}
    exec(find_config(name).read_text(), namespace)
    return Experiment.from_config_dict(namespace["get_config"]())


def _together(experiment: Experiment, options: argparse.Namespace) -> None:
    task, optimizer = Forecasting.of(experiment, open_dataset(experiment.data)), make_optimizer(experiment)
    count, seeds = experiment.train.steps_per_dispatch, range(options.seeds)
    experiments = [experiment.changed({"train.seed": seed}) for seed in seeds]
    cores = next(n for n in range(min(jax.local_device_count(), options.seeds), 0, -1) if not options.seeds % n)
    print(f"{experiment.name}: {options.seeds} seeds, K={count} updates a dispatch, B={experiment.train.batch}, "
          f"H={experiment.model.width}, {cores} of {jax.local_device_count()} devices, jax {jax.__version__}, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    begun = time.perf_counter()
    one_step, place = make_train_steps(task, optimizer, experiment, data_mesh(experiment))
    data = jax.device_put(task.data, place)
    states = [jax.device_put(init_state(task, optimizer, seed), place) for seed in seeds]
    states[0], _ = jax.block_until_ready(one_step(states[0], data, count))
    print(f"one run: first dispatch after {time.perf_counter() - begun:.1f} s", flush=True)

    def in_turn() -> None:
        for number, state in enumerate(states):
            states[number], _ = one_step(state, data, count)
        jax.block_until_ready(states)

    works = {"in turn": in_turn}
    for name, vectorised in (("vmap", True), ("map", False)):
        begun = time.perf_counter()
        all_steps, everywhere = make_steps_together(task, optimizer, experiments, cores, vectorised)
        held = [jax.device_put(init_state(task, optimizer, seed), everywhere) for seed in seeds]
        work = functools.partial(_dispatch_all, held, all_steps, jax.device_put(task.data, everywhere), count)
        work()
        print(f"{options.seeds} as one program by {name}: first dispatch after {time.perf_counter() - begun:.1f} s",
              flush=True)  # fmt: skip
        works[name] = work
    least = {name: 1000 * seconds / count for name, seconds in _least(works, options.rounds).items()}
    for name, ms in least.items():
        print(f"an update of {options.seeds} runs, {name}: {ms:.2f} ms, {least['in turn'] / ms:.2f} times in turn")


def _dispatch_all(held: list[Any], train_steps: Any, data: Any, count: int) -> None:
    held[:] = [state for state, _ in train_steps(held, data, count)]
    jax.block_until_ready(held)


def _scaling(experiment: Experiment, options: argparse.Namespace) -> None:
    dataset, works = open_dataset(experiment.data), {}
    for devices in map(int, options.devices.split(",")):
        batch = options.share * devices
        wider = dataclasses.replace(experiment, train=dataclasses.replace(experiment.train, batch=batch))
        task, optimizer = Forecasting.of(wider, dataset), make_optimizer(wider)
        train_steps, place = make_train_steps(task, optimizer, wider, mesh_of(devices))
        held = [jax.device_put(init_state(task, optimizer, 0), place)]
        work = functools.partial(_dispatch, held, train_steps, jax.device_put(task.data, place), wider)
        work()  # compiles
        works[f"{devices}"] = work
    there = f"{jax.local_device_count()} fake devices of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    what = f"{options.share} sequences a device, H={experiment.model.width}"
    print(f"{experiment.name}: {what}, jax {jax.__version__}, {there}")
    for name, seconds in _least(works, options.rounds).items():
        ms = 1000 * seconds / experiment.train.steps_per_dispatch
        rate = 1000 * options.share * int(name) / ms
        print(f"{name} devices, B={options.share * int(name)}: {ms:.2f} ms an update, {rate:.0f} sequences/s")


def _dispatch(held: list[Any], train_steps: Any, data: Any, experiment: Experiment) -> None:
    held[0], _ = jax.block_until_ready(train_steps(held[0], data, experiment.train.steps_per_dispatch))


def _least(works: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds of each, the least of `rounds` in which they take turns."""
    seconds: dict[str, float] = {name: float("inf") for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            seconds[name] = min(seconds[name], time.perf_counter() - begun)
    return seconds


if __name__ == "__main__":
    main()
