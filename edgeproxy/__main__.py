"""`python -m edgeproxy`."""

import sys

from edgeproxy.cli.main import main

sys.exit(main())
