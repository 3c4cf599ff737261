"""`python -m dar_tui.cli`, for where the `dar` script is not on the path."""

import sys

from dar_tui.cli import main

sys.exit(main())
