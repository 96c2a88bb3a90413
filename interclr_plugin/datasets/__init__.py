"""Data: real images without a download, and the test-time view of a set."""
from .centre_view import centre_view, to_model_inputs
from .digits import Digits
from .random_view import RandomView

__all__ = ['Digits', 'RandomView', 'centre_view', 'to_model_inputs']
