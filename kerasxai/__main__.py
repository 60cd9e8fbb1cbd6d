"""`python -m kerasxai`."""

import sys

from kerasxai.cli import main

sys.exit(main())
