"""Shared by the red-team studies: stages after training, pictures. The underscore keeps it out of the studies' list."""
