"""The time of day, which a test moves: for nginx, and for the stand-ins.
What measures intervals is left alone, so nothing that runs is cut off;
credentials that live for hours expire when the test says so, and not
because a machine was busy."""

import os
import time


class Clock:
    """nginx(clock=clock) and s3.clock = clock share it."""

    # by name, for a worker too: nginx leaves it no environment but this
    environment = {'LD_PRELOAD': '/usr/$LIB/faketime/libfaketime.so.1',
                   'FAKETIME_NO_CACHE': '1', 'NO_FAKE_STAT': '1',
                   'FAKETIME_DONT_FAKE_MONOTONIC': '1'}

    def __init__(self, file):
        self.file = file
        self.environment = {**self.environment,
                            'FAKETIME_TIMESTAMP_FILE': str(file)}
        self.main = ''.join(f'env {name};\n' for name in self.environment)
        self.offset = 0
        self.advance(0)

    def __call__(self):
        return time.time() + self.offset

    def advance(self, seconds):
        self.offset += seconds
        new = self.file.with_suffix('.new')
        new.write_text(f'{self.offset:+f}\n')
        new.chmod(0o644)
        os.replace(new, self.file)

    def set(self, when):
        """To a datetime."""
        self.advance(when.timestamp() - self())
