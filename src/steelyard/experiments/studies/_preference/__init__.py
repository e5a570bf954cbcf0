"""What the preference studies are made of: the grid of methods and lags, its claims, its picture."""
