"""Pictures: errors and training as curves, motion as stick figures. They need the extra `viz` (matplotlib)."""
