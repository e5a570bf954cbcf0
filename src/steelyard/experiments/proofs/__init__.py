"""One proof per published system, by the room of its method."""
