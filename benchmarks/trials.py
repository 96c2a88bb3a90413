"""Ideas on trial: subclasses that arms of the panel name.

None is part of the package. What shows itself on the validation folds of two
sets or more moves there, as a named option with tests; the rest stays here
with its figures in README.md, until nobody needs to repeat it.
"""
import label_statistics  # noqa: F401  (registers TrueClasses)
