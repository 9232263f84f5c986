"""`python -m exporter` is the same program as `webrtc-quality-exporter`."""

import sys

from exporter.cli import main

sys.exit(main())
