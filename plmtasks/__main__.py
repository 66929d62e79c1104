"""The command `plmtasks`, and `python -m plmtasks` for launchers."""

from .cli import main

if __name__ == "__main__":
    main()
