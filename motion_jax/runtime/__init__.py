"""The machine, no motion: compiler options and caches, devices, timing, the age of the process."""
