"""How a backbone gets out: to torchvision, timm, Hugging Face and ONNX."""
from .exporting import TARGETS, Exported, export

__all__ = ['TARGETS', 'Exported', 'export']
