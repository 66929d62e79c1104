"""What lm-eval's tasks and plmtasks are held together on: rows, models and tasks."""
