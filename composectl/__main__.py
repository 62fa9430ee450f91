"""The entry of `composectl` and `python -m composectl`: quiet on Ctrl-C, also while the rest is still imported."""

import sys


def main() -> None:
    try:
        from composectl.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
