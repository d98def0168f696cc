"""What the lessons of the course import: settings, data, models, the training loop, plots and checks.

Importing the package loads nothing heavy; each module is imported where it is used.
"""

import logging
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: the install is always editable, so lessons never use a relative path."""

# What the course reads it fetches itself, verified: transformers and timm never ask the network, and draw no bars.
for _name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS"):
    os.environ.setdefault(_name, "1")
# ONNX Runtime, from 1.29 on, reports to its makers by default.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one thread, as everywhere

# torchao registers two enumerations that PyTorch 2.14 knows already, and PyTorch says so in its log whenever torchao
# is imported, by peft too: nothing that a learner could act on. Other lines of that log are let through.
logging.getLogger("torch.utils._pytree").addFilter(
    lambda line: "is an Enum subclass and is now natively supported" not in line.getMessage()
)

CHECKPOINTS = Path(os.environ.get("COURSE_CHECKPOINTS", ROOT / "data" / "checkpoints"))
"""Where shipped results lie; `course claims` sets the variable to measure what re-making them would change."""
