"""The guide's Flask app with only what keeps it from starting repaired: `python guide_service.py digits|emoji PORT`.

Repaired: the network comes from its weights (the guide's pickled `model.pth` is refused today), the transform fits the
network, and there is no debugger. It runs as the guide runs it, in Flask's development server.
"""

import io
import logging
import sys

import torch
from flask import Flask, Response, jsonify, request
from PIL import Image
from torch import nn
from torchvision import transforms

from course_utils.data.digits import load_digits
from course_utils.models import transfer
from course_utils.recipes.chapter_02 import load_digit_network


def load(name: str) -> tuple[nn.Module, str, transforms.Compose]:
    """Return a network in evaluation mode, the mode of its pictures, and its transform."""
    if name == "digits":
        digits, (model, _) = load_digits("mnist_5k", seed=0), load_digit_network()
        steps, mode = [transforms.Resize((28, 28)), transforms.ToTensor()], "L"
        steps.append(transforms.Normalize([digits.mean], [digits.std]))
    else:
        torch.manual_seed(0)
        model, mode = transfer.create_transfer_model(9, backbone="efficientnet_lite0"), "RGB"
        steps = [
            transforms.Resize((96, 96)),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    return model.eval(), mode, transforms.Compose(steps)


def create(name: str) -> Flask:
    """Return the app."""
    app = Flask(__name__)
    model, mode, transform = load(name)

    @app.route("/predict", methods=["POST"])
    def predict() -> tuple[Response, int]:
        if "image" not in request.files:
            return jsonify({"error": "No image provided"}), 400
        image = Image.open(io.BytesIO(request.files["image"].read())).convert(mode)
        image_tensor = transform(image).unsqueeze(0)
        with torch.no_grad():
            outputs = model(image_tensor)
            _, predicted = torch.max(outputs, 1)
            confidence = torch.softmax(outputs, 1).max().item()
        return jsonify({"prediction": predicted.item(), "confidence": confidence}), 200

    return app


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    create(sys.argv[1]).run(port=int(sys.argv[2]), debug=False)
