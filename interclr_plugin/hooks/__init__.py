"""When a training fills its memory bank, and what it resumes from."""
from .exact_resume_hook import ExactResumeHook
from .memory_bank_hook import MemoryBankHook
from .preemption_hook import PreemptionHook

__all__ = ['ExactResumeHook', 'MemoryBankHook', 'PreemptionHook']
