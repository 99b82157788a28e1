"""Networks of a task by name: the fields that each reads, and the function that makes it."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from motion_jax.config import MODEL_CONFIGS, Experiment, ModelConfig
from motion_jax.errors import UserError

SpaceT = TypeVar("SpaceT")
NetworkT = TypeVar("NetworkT")
_SpaceT = TypeVar("_SpaceT", contravariant=True)
_NetworkT = TypeVar("_NetworkT", covariant=True)


class Make(Protocol[_SpaceT, _NetworkT]):
    """A network of its own fields (an instance of `Entry.fields`), the whole experiment, and the space it works in."""

    def __call__(self, config: Any, experiment: Experiment, space: _SpaceT, /) -> _NetworkT: ...  # noqa: D102


class Entry(NamedTuple, Generic[SpaceT, NetworkT]):
    """A network's own fields, and how it is made of them."""

    fields: type[ModelConfig]
    make: Make[SpaceT, NetworkT]


class Registry(dict[str, Entry[SpaceT, NetworkT]]):
    """The networks of one task, an `Entry` a name."""

    def __init__(self, task: str) -> None:
        super().__init__()
        self._task = task  # of `config.TASKS`

    def register(self, name: str, entry: Entry[SpaceT, NetworkT]) -> None:
        """Adds a network.

        Raises:
            UserError: the name is taken, or the entry's fields are not of that name and the task.
        """
        if name in MODEL_CONFIGS:
            raise UserError(f"model {name!r}: there is one of that name already")
        if getattr(entry.fields, "name", None) != name:
            raise UserError(f"model {name!r}: the default of {entry.fields.__name__}.name must be the same")
        if self._task != entry.fields.TASK:
            raise UserError(f"model {name!r}: {entry.fields.__name__}.TASK must be {self._task!r}")
        self[name] = entry
        MODEL_CONFIGS[name] = entry.fields

    def make(self, experiment: Experiment, space: SpaceT) -> NetworkT:
        """The network that `experiment.model` describes. Raises `UserError` where it cannot serve this space."""
        return self[experiment.model.name].make(experiment.model, experiment, space)
