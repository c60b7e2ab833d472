"""What the learning detectors are made of: streaming models with bounded state, plain functions of what they were fed."""
