"""A run without a model: the real coordinator and replay, with what their parts cost in place of what they compute."""
