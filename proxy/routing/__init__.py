"""Deciding: a plan compiled into a table; which route a request takes and which version of its service. Pure; counts nothing."""
