"""Allocations of a program that fail, see preload/fail_allocation.c."""

import mmap
import subprocess

from nginx import ROOT


class FailingAllocations:
    def __init__(self, directory):
        library, path = directory / 'fail.so', directory / 'fail'
        subprocess.run(['cc', '-shared', '-fPIC', '-O2', '-fno-builtin', '-o',
                        library, ROOT / 't/preload/fail_allocation.c'],
                       check=True)
        path.write_bytes(bytes(16))
        path.chmod(0o666)
        self.environment = {'LD_PRELOAD': str(library),
                            'FAIL_ALLOCATION': str(path)}
        with path.open('r+b') as file:
            self._control = mmap.mmap(file.fileno(), 16)

    def arm(self, n):
        """The nth allocation from now fails; 0: none does.  Returns how many
        have failed so far."""
        self._control[0:8] = n.to_bytes(8, 'little')
        return int.from_bytes(self._control[8:16], 'little')
