"""The command line: verbs over the configuration, the supervisor and the admin API. Holds no rule of its own."""

INTERRUPTED = 130
"""What shells expect of a command that a signal ended, so that a loop around it stops too."""
