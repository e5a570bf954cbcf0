"""What steelyard is measured against: each peer is a script of its own, so that only its process imports it."""
