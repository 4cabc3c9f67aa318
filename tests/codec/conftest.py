"""Makes the random cases of this folder importable; the tests of the device's encoder use them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
