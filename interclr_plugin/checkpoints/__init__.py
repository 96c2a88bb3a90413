"""How files of weights are read and written, and which are refused."""
from .convert_0x import convert_0x
from .publish import publish
from .reading import load_backbone, load_checkpoint, load_state_dict

__all__ = [
    'convert_0x', 'load_backbone', 'load_checkpoint', 'load_state_dict',
    'publish'
]
