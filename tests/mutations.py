"""Break the package on purpose, and see whether a test notices.

    python tests/mutations.py                  all, in half an hour
    python tests/mutations.py --only bank      with these words in name or file
    python tests/mutations.py --list

Each mutation of `mutation_list.py` is made in a copy of the project, where
the tests that ought to notice it then run. One that no test notices has
SURVIVED: a test is missing. The exit code is 1 if any has, or if one is STALE
(the code that it changes is no longer there as it was, or is there twice) or
BROKEN (no test could run, so none has noticed anything).
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mutation_list import MUTATIONS

ROOT = Path(__file__).resolve().parents[1]
# The tests too: they look for the configurations beside their own folder.
COPIED = ('interclr_plugin', 'configs', 'tests', 'pyproject.toml')
PYTEST = ('-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--numprocesses',
          '0', '-m', 'not matrix')
# A mutation may make an endless loop.
SECONDS = 900


def copy_project(folder):
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name,
                folder / name,
                symlinks=True,
                ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(ROOT / name, folder / name)


def run_python(folder, *words):
    """Run Python where the copy's package comes before any other."""
    # `-m` and `-c` put the working directory first on the path, and
    # PYTHONPATH does so for processes that a test starts elsewhere.
    return subprocess.run(
        [sys.executable, *words],
        cwd=str(folder),
        env=dict(os.environ, PYTHONPATH=str(folder)),
        timeout=SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True)


def failed_tests(output):
    return re.findall(r'^(?:FAILED|ERROR) (.+?)(?: - .*)?$', output, re.M)


def check_unchanged(folder, mutations):
    """The tests pass on the copy as it is, and import its package."""
    found = run_python(
        folder, '-c', 'from importlib.util import find_spec\n'
        'print(find_spec("interclr_plugin").origin)').stdout.strip()
    if Path(found).resolve().parents[1] != folder.resolve():
        sys.exit(f'The tests would import {found}, not the copy.')
    tests = sorted({test for each in mutations for test in each.tests})
    run = run_python(folder, *PYTEST, *tests)
    if run.returncode:
        print(run.stdout[-3000:])
        sys.exit('These fail before anything is changed: '
                 f'{", ".join(failed_tests(run.stdout)) or "see above"}')


def outcome(folder, mutation):
    """Apply a mutation to a fresh copy, and run its tests."""
    file = folder / 'interclr_plugin' / mutation.file
    text = file.read_text(encoding='utf-8')
    if text.count(mutation.old) != 1:
        return f'STALE: {text.count(mutation.old)} times in {mutation.file}'
    file.write_text(
        text.replace(mutation.old, mutation.new), encoding='utf-8')
    try:
        run = run_python(folder, *PYTEST, '-x', *mutation.tests)
    except subprocess.TimeoutExpired:
        return f'no end within {SECONDS} s'
    if run.returncode == 0:
        return 'SURVIVED'
    failed = failed_tests(run.stdout)
    # 1 is a test that failed; all else is an import or an argument.
    if run.returncode != 1 or not failed:
        return f'BROKEN: {run.stdout.strip().splitlines()[-1]}'
    return failed[0]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', default=[], metavar='WORD')
    parser.add_argument('--list', action='store_true')
    options = parser.parse_args()
    mutations = [
        each for each in MUTATIONS
        if all(word.lower() in f'{each.name} {each.file}'.lower()
               for word in options.only)
    ]
    if options.list:
        for each in mutations:
            print(f'{each.file}: {each.name}')
        return 0
    if not mutations:
        sys.exit(f'No mutation has all of these words: {options.only}')

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / 'unchanged'
        copy_project(folder)
        check_unchanged(folder, mutations)
    bad = 0
    print('| mutation | killed by | seconds |\n|---|---|---|', flush=True)
    for each in mutations:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / 'changed'
            copy_project(folder)
            start = time.time()
            result = outcome(folder, each)
        bad += result.startswith(('SURVIVED', 'STALE', 'BROKEN'))
        print(
            f'| {each.name} | {result} | {time.time() - start:.0f} |',
            flush=True)
    print(f'{len(mutations)} tried, {len(mutations) - bad} killed, {bad} not')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
