"""What the module shows to the process that loads it."""

import subprocess

import pytest

from nginx import MODULE


@pytest.mark.skipif(not MODULE, reason='linked in: nothing is loaded')
def test_exported_symbols():
    """What nginx looks up, and the module; a name more can be that of a
    symbol of nginx or of another module, which dlopen() makes one."""
    listed = subprocess.run(['nm', '-D', '--defined-only', MODULE],
                            check=True, capture_output=True, text=True).stdout
    assert {line.split()[-1] for line in listed.splitlines()} == {
        'ngx_modules', 'ngx_module_names', 'ngx_module_order',
        'ngx_http_s3jobs_module'}
