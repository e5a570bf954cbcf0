"""One process on a seeded virtual clock."""
