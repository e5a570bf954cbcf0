"""The recipes: one module each, named after what it shows, holding a frozen `RECIPE`."""
