"""Data: image folders, digits, and the test-time view of a set."""
from .centre_view import centre_view, to_model_inputs
from .digits import Digits
from .image_folder import ImageFolder
from .random_view import RandomView

__all__ = [
    'Digits', 'ImageFolder', 'RandomView', 'centre_view', 'to_model_inputs'
]
