"""Commands in a checkout: `python -m launch.NAME` is `motion-jax NAME`."""
