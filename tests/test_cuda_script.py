"""``benchmarks/cuda.sh``, tried on the CPU: a lent GPU is too dear for it."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.matrix]
ROOT = Path(__file__).resolve().parents[1]
PARTS = ('exact', 'waits', 'algorithms', 'resume', 'processes', 'branch',
         'steps-mmselfsup', 'steps-mmpretrain', 'first_clustering')


def cuda(results, *parts, python=sys.executable):
    done = subprocess.run(
        ['bash', 'benchmarks/cuda.sh', python, '-', str(results), 'cpu',
         *parts],
        cwd=ROOT,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True)
    return done.returncode, done.stdout


def test_every_part(tmp_path):
    """Without it a fault of the script is met on the lent machine."""
    pytest.importorskip('mmselfsup')
    pytest.importorskip('mmpretrain')
    code, said = cuda(tmp_path)
    assert code == 0, said
    for name in PARTS:
        result = json.loads((tmp_path / f'{name}.json').read_text())
        assert result.get('ok', True)
        if 'checks' in result:
            assert result['checks']


def test_a_part_that_fails(tmp_path):
    """Without it a failed check could end as a success."""
    false = tmp_path / 'false'
    false.write_text('#!/bin/sh\nexit 1\n')
    false.chmod(0o755)
    code, said = cuda(tmp_path, 'exact', 'waits', python=str(false))
    assert code == 1
    assert 'failed: exact waits' in said
