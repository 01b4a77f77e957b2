"""make install goes where the nginx that is run looks for its modules."""

import os
import pathlib
import re
import subprocess

import pytest

from nginx import BINARY, MODULE, ROOT

BUILT = 'build/ngx_http_s3jobs_module.so'

pytestmark = pytest.mark.skipif(MODULE != str(ROOT / BUILT),
                                reason='it is not what make builds')


def make_install(tmp_path, nginx):
    """Its end, and the files below DESTDIR then."""
    root = tmp_path / 'root'
    # -o: what is under test is not built anew with other settings
    run = subprocess.run(
        ['make', '-s', 'install', '-o', BUILT, f'NGINX={nginx}',
         f'DESTDIR={root}'], cwd=ROOT, text=True, capture_output=True,
        env={'PATH': os.environ['PATH']})
    return run, {f'/{p.relative_to(root)}': p
                 for p in root.rglob('*') if p.is_file()}


@pytest.mark.parametrize('arguments,directory', [
    ('--prefix=/opt/n --modules-path=/usr/lib/nginx/modules --with-compat',
     '/usr/lib/nginx/modules'),
    ('--prefix=/opt/n --with-compat', '/opt/n/modules'),
    ("--with-cc-opt='-O2 -g' --with-compat", '/usr/local/nginx/modules')])
def test_modules_directory(tmp_path, arguments, directory):
    nginx = tmp_path / 'nginx'
    nginx.write_text('#!/bin/sh\n'
                     f'echo "configure arguments: {arguments}" >&2\n')
    nginx.chmod(0o755)
    run, files = make_install(tmp_path, nginx)
    assert run.returncode == 0, run
    module = files[f'{directory}/ngx_http_s3jobs_module.so']
    assert module.read_bytes() == pathlib.Path(MODULE).read_bytes()
    assert module.stat().st_mode & 0o777 == 0o644
    assert {p.name for p in (ROOT / 'dashboard').iterdir()} \
        == {pathlib.Path(f).name for f in files if '/dashboard/' in f}


def test_modules_directory_of_this_nginx(tmp_path):
    told = subprocess.run([BINARY, '-V'], capture_output=True, text=True)
    directory = re.search(r'--modules-path=(\S+)', told.stderr)
    if not directory:
        pytest.skip('this nginx has no modules directory of its own')
    run, files = make_install(tmp_path, BINARY)
    assert run.returncode == 0, run
    assert f'{directory[1]}/ngx_http_s3jobs_module.so' in files


def test_no_nginx(tmp_path):
    run, files = make_install(tmp_path, tmp_path / 'absent')
    assert run.returncode != 0 and not files
    assert f'no nginx at {tmp_path}/absent' in run.stderr
