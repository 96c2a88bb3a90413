"""What a training has found, to be used elsewhere."""
