"""MotionModule: any model as a Flax module, for users who build with `flax.linen`."""

from __future__ import annotations

import flax.linen as nn

from motion_jax.types import Array, Model


class MotionModule(nn.Module):
    """`model` with its parameters held by Flax, so that it nests in other modules.

    The whole pytree of `model.init` is the one entry `variables["params"]["weights"]`: the same pytree that
    `model.apply` reads, so that a checkpoint's parameters can be put in, and trained ones taken out, as they are.
    """

    model: Model

    @nn.compact
    def __call__(self, history: Array, future: Array, forced: Array) -> Array:
        """Predicts the future.

        Args:
            history: `[B, S, N]` what was observed, normalised.
            future: `[B, T, N]` what came next; read only where `forced`.
            forced: `[B, T]` bool, true where a step reads the true previous frame.

        Returns:
            The prediction `[B, T, N]`, as `Model.apply` gives it.
        """
        params = self.param("weights", self.model.init)
        return self.model.apply(params, history, future, forced)
