"""What is true of bodies whatever network uses them: rotations, skeletons, kinematics."""
