"""What the lessons of the course import: settings, data, models, the training loop, plots and checks.

Importing the package loads nothing heavy; each module is imported where it is used.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: the install is always editable, so lessons never use a relative path."""
