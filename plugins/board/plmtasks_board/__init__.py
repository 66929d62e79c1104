"""Leaderboards for plmtasks that others submit predictions to."""
