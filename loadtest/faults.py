"""The one error of the load test."""


class RigError(Exception):
    """The run cannot go on, or its figures would mean nothing; the text is for whoever started it."""
