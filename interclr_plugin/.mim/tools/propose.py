"""What ``mim run interclr_plugin propose`` starts."""
import sys
from pathlib import Path

# This folder: what lies in it is no module for others to import.
sys.path.pop(0)

from interclr_plugin.__main__ import main  # noqa: E402

if __name__ == '__main__':
    main([Path(__file__).stem, *sys.argv[1:]])
