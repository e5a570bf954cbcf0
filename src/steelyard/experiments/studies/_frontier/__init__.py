"""What the frontier study is made of: its worlds, its arms and their tuning, its cells, its picture."""
