"""The service of chapter 6: ONNX Runtime, Pillow and NumPy behind Flask; no module here imports torch."""
