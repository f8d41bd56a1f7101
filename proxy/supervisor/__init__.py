"""Processes: sockets, workers and their restarts, the channel between the planes, signals, the lock that says who is in charge."""
