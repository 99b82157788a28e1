"""What readers of several formats share: lines and numbers, rows of frames, joints, units."""
