"""``python -m experiments``: list, run and plot what this repository shows."""

from experiments.framework.command import main

if __name__ == "__main__":
    main()
