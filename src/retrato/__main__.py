"""`python -m retrato` is the command line."""

import sys

from retrato.cli import main

if __name__ == "__main__":
    sys.exit(main())
