"""What tests of every kind share."""

import os
import sys
from pathlib import Path

# Before torch: tests often share a machine with other work, where threads that spin while they wait take minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parent / "unit"))  # media_clips
