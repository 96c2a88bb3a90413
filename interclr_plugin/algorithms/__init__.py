"""InterCLR on top of any stock algorithm of either library."""
from .inter_clr import InterCLR
from .margin_nce_head import MarginNCEHead
from .projections import register_projections

__all__ = ['InterCLR', 'MarginNCEHead', 'register_projections']
