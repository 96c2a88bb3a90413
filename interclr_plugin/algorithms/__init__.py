"""InterCLR on top of any stock algorithm of either library."""
from .inter_clr import InterCLR
from .projections import register_projections

__all__ = ['InterCLR', 'register_projections']
