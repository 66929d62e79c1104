"""The tasks of lm-evaluation-harness in plmtasks, and the engine of plmtasks in lm-evaluation-harness."""
