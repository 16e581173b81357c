"""What a reader is told who asked for a model that cannot be had."""


class SourceError(ValueError):
    """A model that cannot be had; its message is one sentence for the reader."""
