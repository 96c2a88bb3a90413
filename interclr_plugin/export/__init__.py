"""How a trained backbone gets out: to torchvision, timm, Hugging Face, ONNX."""
from .exporting import TARGETS, Exported, export

__all__ = ['TARGETS', 'Exported', 'export']
