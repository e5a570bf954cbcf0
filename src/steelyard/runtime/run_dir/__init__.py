"""A run's directory: records, checkpoints, and writes that stay written."""
