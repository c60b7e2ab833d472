"""What the learning detectors are made of: streaming models with bounded state, functions of what they were fed."""
