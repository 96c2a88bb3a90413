"""What the demo has done already."""
import json
import os
import sys
import threading
from pathlib import Path


class State:
    """What is done already, in a file that is never half written.

    Args:
        path (Path): The file.
        settings (dict): What all results in one folder have in common.
    """

    def __init__(self, path: Path, settings: dict) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.data = dict(settings=settings, seconds={}, evaluations={})
        if path.exists():
            self.data = json.loads(path.read_text())
            if self.data['settings'] != settings:
                sys.exit(f"{path.parent} holds a demo with "
                         f"{self.data['settings']}, not {settings}. Choose "
                         'another --work-dir, or remove that folder.')

    def save(self) -> None:
        """Write the file."""
        write_json(self.path, self.data)

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to the time that something has taken, from any thread."""
        with self.lock:
            total = self.data['seconds'].get(name, 0) + seconds
            self.data['seconds'][name] = total
            self.save()


def write_json(path: Path, data: dict) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix('.tmp')
    draft.write_text(json.dumps(data, indent=2) + '\n')
    os.replace(draft, path)
