"""Neural parts that do not know what a pose is: pure functions over typed pytrees of parameters."""
