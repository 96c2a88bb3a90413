"""The version, alone in a file that setup.py reads without importing."""
__version__ = '1.2.0'
