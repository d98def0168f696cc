"""What the lessons of the course import: settings, data, models, the training loop, plots and checks.

Importing the package loads nothing heavy; each module is imported where it is used.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: the install is always editable, so lessons never use a relative path."""

CHECKPOINTS = Path(os.environ.get("COURSE_CHECKPOINTS", ROOT / "data" / "checkpoints"))
"""Where shipped results lie; `course claims` sets the variable to measure what re-making them would change."""
