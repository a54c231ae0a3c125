"""`python -m streamctl`, and the `streamctl` command."""

import gc
import sys

# A command lives for a tenth of a second and frees nothing: collecting would cost a third of it.
gc.disable()


def main() -> None:
    """Run the command line and exit with its status."""
    from streamctl.cli.boundary import run

    status = run(sys.argv[1:])
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
