"""The embedded model pair: its world, its corpus, its training, its weights."""
