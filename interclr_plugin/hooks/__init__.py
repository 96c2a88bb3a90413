"""When things happen; the modules know how."""
from .exact_resume_hook import ExactResumeHook
from .memory_bank_hook import MemoryBankHook

__all__ = ['ExactResumeHook', 'MemoryBankHook']
