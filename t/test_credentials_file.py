"""The source "file": what it reads, and what it does when the file changes."""

import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from nginx import ROOT, until
from s3control import KEY, SECRET

OLD, OLD_SECRET = 'AKIDOLD', 'oldSecret/0123456789+abcdefghijklmnop'
NEW, NEW_SECRET = 'AKIDNEW', 'newSecret/9876543210+zyxwvutsrqponmlk'
TOKEN = 'IQoJb3JpZ2luX2VjE+/=' * 410
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0,
                               reason='only root has workers of another user')


def profile(key=OLD, secret=OLD_SECRET, token=None, name='default'):
    return (f'[{name}]\naws_access_key_id = {key}\n'
            f'aws_secret_access_key = {secret}\n'
            + (f'aws_session_token = {token}\n' if token else ''))


@pytest.fixture
def file(nginx, s3, tmp_path):
    """The path; file(text) replaces the file as one should, by a rename."""
    class File:
        path = tmp_path / 'credentials'

        def __call__(self, text, mode=0o640, group=None):
            new = nginx.credentials(tmp_path / 'credentials.new', text)
            new.chmod(mode)
            if group:
                shutil.chown(new, 'root', group)
            new.rename(self.path)

        @property
        def source(self):
            return f's3jobs_credentials_source ops file path={self.path};'

    s3.key(OLD, OLD_SECRET)
    s3.key(NEW, NEW_SECRET)
    return File()


def key_in_use(gw, s3):
    assert gw.get().status == 200
    assert s3.requests[-1].verdict is None
    return s3.requests[-1].key_id


def wait_for_key(gw, s3, key):
    until(lambda: key_in_use(gw, s3) == key, what=key)


def checks(seconds=2.5):
    """Time for the worker to look at the file more than once."""
    time.sleep(seconds)


# what is read

@pytest.mark.parametrize('length', [1431, 4096, 8192])
def test_long_session_token(s3, nginx, file, length):
    s3.key('AKIDTEMPORARY', OLD_SECRET, token=TOKEN[:length])
    file(profile('AKIDTEMPORARY', token=TOKEN[:length]))
    assert key_in_use(nginx(sources=file.source), s3) == 'AKIDTEMPORARY'
    assert s3.requests[0].header('x-amz-security-token') == TOKEN[:length]


def test_token_comes_and_goes(s3, nginx, file):
    """A long-term key after a temporary one: no token header any more."""
    s3.key('AKIDTEMPORARY', OLD_SECRET, token=TOKEN[:1431])
    file(profile('AKIDTEMPORARY', token=TOKEN[:1431]))
    gw = nginx(sources=file.source)
    assert key_in_use(gw, s3) == 'AKIDTEMPORARY'
    file(profile(NEW, NEW_SECRET))
    wait_for_key(gw, s3, NEW)
    assert s3.requests[-1].header('x-amz-security-token') is None
    file(profile('AKIDTEMPORARY', token=TOKEN[:1431]))
    wait_for_key(gw, s3, 'AKIDTEMPORARY')


def test_profiles(s3, nginx, file):
    """One file, a source for each profile; another profile by reload."""
    file(profile(KEY, SECRET) + profile(name='old')
         + profile(NEW, NEW_SECRET, name='new one'))
    path = file.path
    gw = nginx(sources=f'''
        s3jobs_credentials_source default file path={path};
        s3jobs_credentials_source old file path={path} profile=old;
        s3jobs_credentials_source new file path={path} "profile=new one";
        s3jobs_credentials_source ops file profile=old path={path};''',
               credentials='$http_x_source')
    for source, key in ('default', KEY), ('old', OLD), ('new', NEW), \
            ('ops', OLD), ('old', OLD):
        assert gw.get('/jobs', [('X-Source', source)]).status == 200
        assert s3.requests[-1].key_id == key
    gw.reload(credentials='ops', sources=file.source.replace(
        'path', '"profile=new one" path'))
    assert key_in_use(gw, s3) == NEW
    assert {r.verdict for r in s3.requests} == {None}


def test_as_aws_writes_it(s3, nginx, file):
    file(f'# a comment\r\n; another\r\n\r\n[other]\r\nregion = eu-west-1\r\n'
         f'[default]\r\nAWS_Access_Key_Id: {OLD}\r\n'
         f'aws_secret_access_key={OLD_SECRET}\r\n'
         f's3 =\r\n    max_concurrent_requests = 20\r\n')
    assert key_in_use(nginx(sources=file.source), s3) == OLD


@pytest.mark.parametrize('env,key', [
    ({'AWS_SHARED_CREDENTIALS_FILE': '{}/credentials'}, OLD),
    ({'AWS_SHARED_CREDENTIALS_FILE': '{}/credentials', 'AWS_PROFILE': 'p'},
     NEW),
    ({'HOME': '{}'}, KEY),
    ({'HOME': '/nonexistent',
      'AWS_SHARED_CREDENTIALS_FILE': '{}/credentials'}, OLD),
])
def test_defaults(s3, nginx, file, tmp_path, env, key):
    file(profile() + profile(NEW, NEW_SECRET, name='p'))
    (tmp_path / '.aws').mkdir()
    nginx.credentials(tmp_path / '.aws/credentials',
                      profile(KEY, SECRET)).chmod(0o600)
    gw = nginx(sources='s3jobs_credentials_source ops file;',
               env={n: v.format(tmp_path) for n, v in env.items()})
    assert key_in_use(gw, s3) == key


@pytest.mark.parametrize('text, said', [
    ('role_arn = r\nsource_profile = a', ('role_arn', '"assume_role"')),
    ('role_arn = r\ncredential_source = Environment',
     ('role_arn', '"assume_role"')),
    (f'role_arn = r\naws_access_key_id = {OLD}\n'
     f'aws_secret_access_key = {OLD_SECRET}', ('role_arn', '"assume_role"')),
    ('role_arn = r\nweb_identity_token_file = /t',
     ('web_identity_token_file', '"web_identity"')),
    ('credential_process = /bin/x --secret',
     ('credential_process', '"aws configure export-credentials"')),
    ('sso_session = s\nsso_account_id = 1\nsso_role_name = r',
     ('sso_account_id', '"aws configure export-credentials"')),
    ('login_session = l', ('login_session',
                           '"aws configure export-credentials"'))])
def test_profile_of_another_kind(nginx, file, text, said):
    """It is never half used: what it is, and what to do."""
    file(f'[a]\n{text}\n')
    code, output = nginx.check(sources=file.source.replace('path',
                                                           'profile=a path'))
    assert code and all(f'{it}' in output for it in said)
    assert f'"{file.path}", line ' in output and 'profile "a" has' in output
    assert '/bin/x' not in output


def test_keys_of_the_aws_cli(s3, nginx, file, tmp_path):
    """As README says; where the AWS CLI fails, what was there stays."""
    [script] = re.findall(r'^ {6}umask 077\n(?: {6}.*\n)*',
                          (ROOT / 'README.md').read_text(), re.M)
    script = re.sub(r'/etc/nginx/aws', f'{tmp_path}/aws', script)
    if os.geteuid():
        script = script.replace('www-data', str(os.getegid()))
    (tmp_path / 'config').write_text(
        f'[profile prod]\ncredential_process = cat {tmp_path}/json\n')

    def run():
        return subprocess.run(['sh', '-c', script], env={
            'PATH': '/usr/bin:/bin', 'HOME': '/nonexistent',
            'AWS_CONFIG_FILE': f'{tmp_path}/config'}).returncode

    nginx.secret(NEW_SECRET)
    json_file = tmp_path / 'json'
    json_file.write_text(json.dumps({
        'Version': 1, 'AccessKeyId': NEW, 'SecretAccessKey': NEW_SECRET,
        'SessionToken': TOKEN[:2000], 'Expiration': '2100-01-01T00:00:00Z'}))
    assert run() == 0
    path = tmp_path / 'aws'
    before = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    json_file.unlink()
    assert run() != 0 and path.read_text() == before
    s3.key(NEW, NEW_SECRET, token=TOKEN[:2000])
    gw = nginx(sources=f's3jobs_credentials_source ops file path={path}'
               ' profile=prod;')
    assert gw.get().status == 200 and s3.requests[0].verdict is None
    path.unlink()


def test_profile_that_changes_its_kind(s3, nginx, file):
    file(profile())
    gw = nginx(sources=file.source)
    file('[default]\ncredential_process = /bin/x\n')
    gw.wait_log('profile "default" has credential_process, and keys are all')
    assert key_in_use(gw, s3) == OLD


PATHS = ['~/{}', '~root/{}', '~nosuchuser/{}', '~', '$HOME/{}', '${{HOME}}/{}',
         '$NOSUCH/{}', '${{NOSUCH}}/{}', '/x/$AWS_REGION/{}', '/x/$AWS_REGION.y',
         '/x/$', '/x/${{AWS_REGION', '/x/~/{}', '${{}}/{}', '$$AWS_REGION',
         '~$AWS_REGION/{}', '${{AWS_REGION}}${{AWS_REGION}}/{}', '/x/$AWS-x',
         '$HOME$AWS_REGION/{}']


@pytest.mark.parametrize('home', ['/home/me', '/home/me//', '', '/', None])
@pytest.mark.parametrize('path', PATHS)
def test_path_of_the_environment(nginx, tmp_path, monkeypatch, path, home):
    """As Python, and so botocore, expands it; relative ones are nginx's."""
    path = path.format(f'no/{tmp_path.name}')
    env = {'HOME': home, 'AWS_REGION': 'mars'}
    for name in 'HOME', 'AWS_REGION', 'NOSUCH', 'AWS':
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    expected = os.path.expanduser(os.path.expandvars(path))
    code, output = nginx.check(
        sources='s3jobs_credentials_source ops file;',
        env={**env, 'AWS_SHARED_CREDENTIALS_FILE': path})
    assert code
    [said] = re.findall(r'"(.*)" (?:failed|is not a regular)', output)
    if not expected.startswith('/'):
        expected = f'{tmp_path}/check1/{expected}'
    assert said == expected


def test_home_of_the_password_database(nginx, monkeypatch):
    monkeypatch.delenv('HOME')
    code, output = nginx.check(sources='s3jobs_credentials_source ops file'
                               ' profile=no-such-profile;',
                               env={'HOME': None})
    assert code
    assert os.path.expanduser('~/.aws/credentials') in output


def test_path_of_a_parameter(nginx, tmp_path):
    """In nginx.conf it is as any other path there."""
    code, output = nginx.check(sources='s3jobs_credentials_source ops file'
                               ' path=~/x;', env={'HOME': '/home/me'})
    assert code and '/check1/~/x"' in output


def test_path_that_is_too_long(nginx):
    code, output = nginx.check(
        sources='s3jobs_credentials_source ops file;',
        env={'AWS_SHARED_CREDENTIALS_FILE': '$LONG$LONG', 'LONG': 'x' * 3000})
    assert code and 'is too long' in output


def test_parameters_before_the_environment(s3, nginx, file, tmp_path):
    file(profile(NEW, NEW_SECRET, name='mine'))
    gw = nginx(sources=file.source.replace('path', 'profile=mine path'),
               env={'AWS_SHARED_CREDENTIALS_FILE': '/nonexistent',
                    'AWS_PROFILE': 'nosuch', 'HOME': '/nonexistent'})
    assert key_in_use(gw, s3) == NEW


# rotation

def test_rotation_under_load(s3, nginx, file):
    """No failed request, and the new key in all workers."""
    file(profile())
    gw = nginx(sources=file.source, workers=2,
               log_format='$pid $s3jobs_authorization')
    answers, enough = [], threading.Event()

    def load():
        while not enough.is_set():
            answers.append(gw.get('/jobs?maxResults=1').status)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        s3.wait_for(100)
        file(profile(NEW, NEW_SECRET))
        until(lambda: len({line.split()[0] for line in gw.access()
                           if NEW in line}) == 2, 'use in both workers')
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {200}
    assert {r.verdict for r in s3.requests} == {None}
    keys = [r.key_id for r in s3.requests]
    assert {*keys} == {OLD, NEW} and keys.count(OLD) >= 100
    # and never again the old one
    s3.clear()
    for _ in range(20):
        assert key_in_use(gw, s3) == NEW
    assert {r.key_id for r in s3.requests} == {NEW}


@ROOT_ONLY
def test_readable_by_the_group_of_the_workers(s3, nginx, file):
    """root:www-data 0640, workers as www-data: they read it anew."""
    file(profile(), 0o640, 'www-data')
    gw = nginx(sources=file.source, user='www-data')
    assert key_in_use(gw, s3) == OLD
    file(profile(NEW, NEW_SECRET), 0o640, 'www-data')
    wait_for_key(gw, s3, NEW)


@ROOT_ONLY
def test_readable_by_root_only(s3, nginx, file):
    """Read at reload; the log says that it is not read before."""
    file(profile(), 0o600)
    gw = nginx(sources=file.source, user='www-data')
    assert key_in_use(gw, s3) == OLD
    file(profile(NEW, NEW_SECRET), 0o600)
    said = (rf'\[warn\].*"{file.path}" has changed but cannot be read by the'
            ' worker process, which tries again: if it may not read it,'
            ' reload nginx')
    gw.wait_log(said)
    checks()
    assert len(gw.wait_log(said)) == 1
    assert key_in_use(gw, s3) == OLD
    gw.reload()
    assert key_in_use(gw, s3) == NEW


def test_written_in_place(s3, nginx, file):
    file(profile())
    gw = nginx(sources=file.source)
    assert key_in_use(gw, s3) == OLD
    nginx.credentials(file.path, profile(NEW, NEW_SECRET))
    wait_for_key(gw, s3, NEW)


def test_same_size_and_time(s3, nginx, file):
    """A new file need not look newer, or longer."""
    file(profile())
    before = file.path.stat()
    gw = nginx(sources=file.source)
    assert key_in_use(gw, s3) == OLD
    file(profile(NEW, NEW_SECRET))
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.path.stat().st_size == before.st_size
    wait_for_key(gw, s3, NEW)


def test_new_secret_for_the_same_key(s3, nginx, file):
    """The derived key must not outlive the secret, all in one day."""
    file(profile())
    gw = nginx(sources=file.source)
    assert key_in_use(gw, s3) == OLD
    s3.verify = False                   # the old secret is wrong from now on
    s3.key(OLD, NEW_SECRET)
    file(profile(OLD, NEW_SECRET))
    until(lambda: gw.get().status and s3.requests[-1].verdict is None,
          what='good signature')
    assert {r.verdict for r in s3.requests[1:-1]} \
        <= {'SignatureDoesNotMatch'}


BROKEN = 'aws_access_key_id is not in a profile\n'


def test_broken_file(s3, nginx, file):
    """The old record stays, the log says so once for each broken file."""
    said = re.escape(f'"{file.path}", line 1, profile "default" has a line'
                     ' before the first [profile]')
    file(profile())
    gw = nginx(sources=file.source)
    file(BROKEN)
    gw.wait_log(said)
    checks()
    assert len(gw.wait_log(said)) == 1
    assert key_in_use(gw, s3) == OLD
    file(profile(NEW, NEW_SECRET))
    wait_for_key(gw, s3, NEW)
    file(BROKEN)
    gw.wait_log(said, count=2)
    assert key_in_use(gw, s3) == NEW
    assert '[emerg]' not in gw.log()


def test_no_free_descriptor(s3, nginx, file):
    """A file that could not be read when it was new is read later."""
    said = '"{}" has changed but cannot be read by the worker process'
    file(profile())
    gw = nginx(sources=file.source, main='worker_rlimit_nofile 40;')
    gw.expect('Too many open files')
    assert key_in_use(gw, s3) == OLD
    [worker] = gw.workers()
    clients = [gw.connect() for _ in range(60)]
    until(lambda: len(os.listdir(f'/proc/{worker}/fd')) == 40,
          'worker without a free descriptor')
    file(profile(NEW, NEW_SECRET))
    gw.wait_log(said.format(file.path))
    checks()
    assert len(gw.wait_log(said.format(file.path))) == 1
    for client in clients:
        client.close()
    wait_for_key(gw, s3, NEW)


def test_half_a_key_pair(s3, nginx, file):
    file(profile())
    gw = nginx(sources=file.source)
    file(f'[default]\naws_access_key_id = {NEW}\n')
    gw.wait_log('has no aws_secret_access_key')
    assert key_in_use(gw, s3) == OLD


def test_file_that_is_gone(s3, nginx, file):
    said = rf'\[warn\].*stat\(\) "{file.path}" failed.*stay in use'
    file(profile())
    gw = nginx(sources=file.source)
    file.path.unlink()
    gw.wait_log(said)
    checks()
    assert len(gw.wait_log(said)) == 1
    assert key_in_use(gw, s3) == OLD
    file(profile(NEW, NEW_SECRET))
    wait_for_key(gw, s3, NEW)


def test_no_start_with_a_broken_file(nginx, file):
    file(BROKEN)
    code, output = nginx.check(sources=file.source)
    assert code != 0
    assert 'has a line before the first [profile]' in output


def test_reload_with_a_broken_file(s3, nginx, file):
    """The old cycle goes on, with its credentials."""
    file(profile())
    gw = nginx(sources=file.source)
    gw.expect(re.escape(str(file.path)))
    gw.expect('no credentials for source "ops"')
    workers = gw.workers()
    file(BROKEN)
    gw.signal('HUP')
    gw.wait_log(r'\[emerg\].*no credentials for source "ops"')
    assert key_in_use(gw, s3) == OLD
    assert gw.workers() == workers
    file(profile(NEW, NEW_SECRET))      # and it still looks at the file
    wait_for_key(gw, s3, NEW)
    assert gw.workers() == workers


def test_rotation_goes_on(s3, nginx, file):
    """After a reload, and when the worker that reads the file was killed."""
    file(profile())
    gw = nginx(sources=file.source, workers=2)
    gw.reload()
    assert key_in_use(gw, s3) == OLD
    file(profile(NEW, NEW_SECRET))
    wait_for_key(gw, s3, NEW)
    gw.expect('exited on signal 9')
    before = gw.workers()
    for pid in before:
        gw.signal('KILL', pid)
    until(lambda: len(gw.workers()) == 2 and not {*gw.workers()} & {*before},
          what='new workers')
    assert key_in_use(gw, s3) == NEW
    file(profile())
    wait_for_key(gw, s3, OLD)


def test_rotation_in_a_single_process(s3, nginx, file):
    file(profile())
    gw = nginx(sources=file.source, master=False)
    assert key_in_use(gw, s3) == OLD
    file(profile(NEW, NEW_SECRET))
    wait_for_key(gw, s3, NEW)


# secrets in memory

def memory(pid):
    """All that a process may write to."""
    with open(f'/proc/{pid}/maps') as maps, \
            open(f'/proc/{pid}/mem', 'rb', 0) as mem:
        for line in maps:
            area, rights, *_ = line.split()
            if 'w' in rights:
                start, end = (int(n, 16) for n in area.split('-'))
                mem.seek(start)
                try:
                    yield mem.read(end - start)
                except OSError:
                    pass


def copies(gw, text):
    return {pid: sum(data.count(text.encode()) for data in memory(pid))
            for pid in (gw.master, *gw.workers())}


def test_a_replaced_secret_is_zeroed(s3, nginx, file):
    file(profile())
    gw = nginx(sources=file.source, env={'AWS_ACCESS_KEY_ID': None,
                                         'AWS_SECRET_ACCESS_KEY': None})
    assert key_in_use(gw, s3) == OLD
    # in the shared zone, and there only
    assert {*copies(gw, OLD_SECRET).values()} == {1}
    file(profile(NEW, NEW_SECRET))
    wait_for_key(gw, s3, NEW)
    assert {*copies(gw, OLD_SECRET).values()} == {0}
    assert {*copies(gw, NEW_SECRET).values()} == {1}
    file(profile(KEY, SECRET))
    gw.reload()
    assert key_in_use(gw, s3) == KEY
    assert {*copies(gw, NEW_SECRET).values()} == {0}
    assert {*copies(gw, SECRET).values()} == {1}


def test_a_secret_that_no_source_has_is_zeroed(s3, nginx, file):
    file(profile())
    other = nginx.credentials(file.path.with_name('other'), profile(
        KEY, SECRET))
    gw = nginx(sources=file.source, env={'AWS_ACCESS_KEY_ID': None,
                                         'AWS_SECRET_ACCESS_KEY': None})
    assert key_in_use(gw, s3) == OLD
    assert {*copies(gw, OLD_SECRET).values()} == {1}
    for _ in range(3):
        gw.reload(sources=f's3jobs_credentials_source ops file path={other};')
        assert key_in_use(gw, s3) == KEY
    assert {*copies(gw, OLD_SECRET).values()} == {0}
