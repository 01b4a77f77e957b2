"""Reload and binary upgrade under load, with keys of the environment and of
a file: no request fails, and the new ones are in use."""

import contextlib
import threading

import pytest

from nginx import alive, until
from s3control import KEY, SECRET, Reply
from wire import PATIENCE

OLD, OLD_SECRET = 'AKIDOLD', 'oldSecret/0123456789+abcdefghijklmnop'
NEW, NEW_SECRET = 'AKIDNEW', 'newSecret/9876543210+zyxwvutsrqponmlk'
ENV = ''.join(f'env {name};\n' for name in (
    'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'))


@pytest.fixture
def file(nginx, s3, tmp_path):
    def write(key=OLD, secret=OLD_SECRET):
        new = nginx.credentials(
            tmp_path / 'new', f'[default]\naws_access_key_id = {key}\n'
            f'aws_secret_access_key = {secret}\n')
        new.chmod(0o640)
        new.rename(tmp_path / 'credentials')

    s3.key(OLD, OLD_SECRET)
    s3.key(NEW, NEW_SECRET)
    write()
    write.source = ('s3jobs_credentials_source ops file'
                    f' path={tmp_path}/credentials;')
    return write


@contextlib.contextmanager
def load(gw, n=3):
    """n clients that ask, each on new connections, while the block runs;
    all answers must be listings."""
    answers, end = [], threading.Event()

    def ask():
        while not end.is_set():
            r = gw.get('/jobs?maxResults=1')
            answers.append((r.status, r.complete))

    threads = [threading.Thread(target=ask) for _ in range(n)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(answers) > 20, what='load')
        yield
        more = len(answers) + 20
        until(lambda: len(answers) > more, what='load')
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert {*answers} == {(200, True)}


def assert_good(s3, keys):
    assert {r.verdict for r in s3.requests} == {None}
    assert {r.key_id for r in s3.requests} == {*keys}


def test_reload_under_load(s3, nginx, file):
    gw = nginx(sources=file.source, workers=2)
    seen = set(gw.workers())
    with load(gw):
        for n in range(5):
            gw.reload()
            assert not seen & {*gw.workers()}
            seen |= {*gw.workers()}
            file(*((NEW, NEW_SECRET), (OLD, OLD_SECRET))[n % 2])
    assert len(seen) == 12
    assert_good(s3, (OLD, NEW))


def test_reload_to_another_source(s3, nginx, file):
    """Under load; the name stays, what it stands for changes at once."""
    gw = nginx(sources='s3jobs_credentials_source ops env;')
    with load(gw):
        gw.reload(sources=file.source)
        gw.reload()
    until(lambda: len(gw.workers(old=True)) == 1, what='end of old workers')
    assert_good(s3, (KEY, OLD))
    s3.clear()
    assert gw.get().status == 200
    assert_good(s3, (OLD,))


def test_environment_across_reloads(s3, nginx):
    gw = nginx(env={'AWS_SESSION_TOKEN': 'a+token/that=stays'})
    s3.key(KEY, SECRET, token='a+token/that=stays')
    for _ in range(3):
        gw.reload()
        assert gw.get().status == 200
    assert_good(s3, (KEY,))


@pytest.mark.parametrize('source', ['env', 'file'])
def test_binary_upgrade_under_load(s3, nginx, file, source):
    """The environment goes on by "env" lines; at the level debug nginx logs
    it then."""
    gw = nginx(daemon=True, workers=2, level='info',
               **{'main': ENV} if source == 'env' else
               {'sources': file.source})
    masters, workers = {gw.master}, {*gw.workers()}
    with load(gw):
        for _ in range(2):
            gw.upgrade()
            assert gw.master not in masters and not workers & {*gw.workers()}
            masters.add(gw.master)
            workers |= {*gw.workers()}
            if source == 'file':
                file(NEW, NEW_SECRET)
                until(lambda: s3.requests[-1].key_id == NEW, what='new key')
    assert len(masters) == 3 and len(workers) == 6
    assert alive(*masters) == {gw.master}
    assert_good(s3, (KEY,) if source == 'env' else (OLD, NEW))


def test_binary_upgrade_without_env_lines(s3, nginx):
    """503 and a line in the log, never an unsigned request."""
    gw = nginx(daemon=True)
    assert gw.get().status == 200
    gw.upgrade()
    r = gw.get()
    assert r.status == 503 and b'CredentialsUnavailable' in r.body
    assert 'AWS_ACCESS_KEY_ID' in gw.log()
    assert len(s3.requests) == 1


def test_requests_in_flight(s3, nginx):
    """A worker that is shutting down ends what it began."""
    gw = nginx(sources='s3jobs_credentials_source ops env;')
    go_on = threading.Event()

    def body(request):
        go_on.wait(PATIENCE)
        yield from s3.listing(s3.jobs())

    s3.script(lambda request: go_on.wait(PATIENCE) and Reply(),
              Reply(body=body, framing='chunked'))
    clients = [gw.connect() for _ in range(2)]
    for n, client in enumerate(clients, 1):
        client.send('GET /jobs HTTP/1.1\r\nHost: a\r\n\r\n')
        s3.wait_for(n)
    gw.reload(account='000000000001')
    go_on.set()
    for client in clients:
        r = client.response()
        assert r.status == 200 and r.complete
    assert gw.get().status == 200
    assert [r.account for r in s3.requests] \
        == ['123456789012'] * 2 + ['000000000001']
    assert_good(s3, (KEY,))


def test_no_worker_is_kept(s3, nginx, file):
    """The timer that looks at the file does not hold up an old worker."""
    gw = nginx(sources=file.source)
    old = gw.workers()
    gw.reload()
    until(lambda: not alive(*old), 'end of the old worker')
    assert gw.stop()
