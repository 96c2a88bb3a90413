"""Data: image folders, digits, and the test-time view of a set."""
from .centre_view import centre_view, to_model_inputs
from .digits import Digits
from .image_folder import ImageFolder

__all__ = ['Digits', 'ImageFolder', 'centre_view', 'to_model_inputs']
