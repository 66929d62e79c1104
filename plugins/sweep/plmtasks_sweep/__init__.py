"""Suites for plmtasks: tasks × models × seeds, as a file."""
