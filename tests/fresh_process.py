"""Code in a process of its own, where the plugin has done nothing yet."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_python(code, cwd):
    """Run code in a new process that finds this tree's package."""
    # Without what an installed plugin does when Python starts.
    code = (
        'import sys\n'
        'sys.meta_path[:] = [finder for finder in sys.meta_path\n'
        '    if type(finder).__name__ != "_AfterImport"]\n'
    ) + code
    run = subprocess.run(
        [sys.executable, '-c', code],
        cwd=str(cwd),
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout
