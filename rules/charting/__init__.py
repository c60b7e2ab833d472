"""What the statistical detectors share: subgroups, learning limits, and an alarm's way from a point to its reason."""
