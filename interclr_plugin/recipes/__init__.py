"""From a folder of images to configurations that train on it."""
from .files import write_recipe

__all__ = ['write_recipe']
