"""`python -m streamctl`, and the `streamctl` command."""

import gc
import os
import sys

# A command lives for a tenth of a second and frees nothing: collecting would cost a third of it.
gc.disable()


def main() -> None:
    """Run the command line and exit with its status."""
    from streamctl.cli.boundary import run

    os.umask(0o077)  # whatever is made is its owner's alone, SQLite's own files too
    # What is to be written is written and the database is closed when `run` returns. Taking the interpreter apart
    # object by object would only take time.
    os._exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
