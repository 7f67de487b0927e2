"""The earlier name of `omni.safe_paths`, by which skills may still import it."""

import sys

from omni import safe_paths

sys.modules[__name__] = safe_paths
