"""`python -m streamctl`, and the `streamctl` command."""

import gc
import os
import sys

# A command lives for a tenth of a second and frees nothing: collecting would cost a third of it.
gc.disable()


def main() -> None:
    """Run the command line and exit with its status."""
    from streamctl.interruption import listen

    listen()
    from streamctl.cli.boundary import run
    from streamctl.output.descriptor import replace_standard_streams

    replace_standard_streams()
    os.umask(os.umask(0o077) & 0o077)  # files are made 0600 and folders 0700; none is to come out less
    # What is to be written is written and the database is closed when `run` returns. Taking the interpreter apart
    # object by object would only take time.
    os._exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
