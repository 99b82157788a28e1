"""`python -m motion_jax`: the command `motion-jax`, where it is not on the path."""

from motion_jax.commands.dispatch import main

if __name__ == "__main__":
    main()
