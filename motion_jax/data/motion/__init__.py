"""Operations on a motion that was read: resampling, retargeting, rotations in numpy, a report."""
