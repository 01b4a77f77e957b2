"""What the end-to-end tests stand on.

    def test_listing(s3, nginx):
        gw = nginx()                        # a gateway in front of s3
        r = gw.get('/jobs?maxResults=5')
        assert r.status == 200 and r.complete
        [request] = s3.wait_for(1)
        assert request.verdict is None
        assert request.header('x-amz-account-id') == '123456789012'

Fixtures

  s3            a stand-in (s3control.S3Control) over plain HTTP, with the key
                AKIDEXAMPLE that nginx() has in its environment.
  stand_in(jobs=25, tls=None, port=0)
                further stand-ins; tls: what certificates(*names) returned.
  certificates(*names)
                a throwaway CA and certificate: .ca .certificate .key (paths).
  clock         the time of day (clock.Clock) of s3, and of nginx(clock=clock):
                clock.advance(seconds), clock.set(datetime).
  port          one (port.number) that is nobody else's; connections to it are
                refused until nginx is told to listen there.
  nginx(...)    starts one, returns nginx.Nginx; any number per test.
  tmp_path      pytest's; each nginx has its prefix below it, readable by all.

nginx(s3=s3, env={}, clock=None, wrapper=[], port=None, conf=None, **options)

  The environment is PATH, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of s3's
  first key, and env (None as a value takes one away); nothing else.
  conf: the whole text, or a function of the Nginx (.prefix .port .h2_port
  .upstream) that makes it.  Otherwise the options fill the template, each of
  them text for nginx.conf (nginx.DEFAULTS has them all):
    main events http server location    further lines there
    path account region credentials     of the standard location (= /jobs,
                                        123456789012, us-east-1, ops); the
                                        last three may be None: left out;
                                        path='' for no such location and
                                        nothing of the module
    proxy_pass servers sources          http://s3control; upstream s3control
                                        { server UPSTREAM; keepalive 8; };
                                        the credentials source
    user workers master daemon level log_format h2 module

  gw.get(target='/jobs', headers=(), method='GET', body=b'')  -> Response
  gw.connect() -> wire.Client: send(bytes), response(), request(...), head()
                and body(), abort(), ended()
  gw.get_h2(...), with h2=True
  Response      status (None: empty reply), headers [(name, value)], header(n),
                all(n), body, text, json(), complete, closed, framing
  gw.reload(**changes), gw.upgrade() (needs daemon=True), gw.stop(),
  gw.configure(**changes), gw.signal('HUP'), gw.master, gw.workers()
  gw.log(), gw.wait_log(regex), gw.access(), gw.prefix, gw.port
  gw.expect(regex)      such [alert] or [emerg] lines are no failure
  nginx.check(**as above) -> (exit code of nginx -t, its output)
  nginx.secret(text)    another string that must be in no file
  nginx.credentials(path, text) writes a credentials file, and registers
                every aws_secret_access_key in it as secret

S3Control: s3.requests, s3.wait_for(n), s3.clear(), s3.unsigned;
  s3.key(id, secret, token, expires, accounts), s3.keys; s3.jobs(account,
  region), s3.set_jobs(account, jobs, region), s3.page, s3.expected(account,
  region, statuses, cli=False), s3.pages(...); s3.script(Reply(...), ...),
  s3.always(Reply(...)), s3.reset(); s3.clock, s3.verify, s3.hosts; see there.

After each test: no [alert] or [emerg] that was not announced, no sanitizer
report, nginx ended by QUIT, no secret in any file below a prefix, as it is,
reversed, or as hex, base64 or part of a URL (so let a secret be long enough
not to be there by chance), and no unsigned request, unless the test set
s3.unsigned_expected = n.  TEST_KEEP=1 keeps the prefixes, TEST_LEVEL=debug
has nginx log all that it can.
"""

import base64
import collections
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.parse

import pytest

import nginx as nginx_process
import s3control
from clock import Clock

# anchored, and no repeat in a repeat: a line may be one long word
ALERT = re.compile(r'^.*(?:\[alert\]|\[emerg\]|exited on signal).*', re.M)
SANITIZER = re.compile(
    r'^.*(?:Sanitizer|runtime error:|definitely lost: [1-9]).*', re.M)
SECRET_LINE = re.compile(r'^\s*aws_secret_access_key\s*=\s*(\S+)', re.M | re.I)

tally = collections.Counter()


def disguises(secret):
    """What a secret looks like in a file that it must not be in."""
    plain = secret.encode()
    forms = {plain, plain[::-1], plain.hex().encode(),
             plain.hex().upper().encode()}
    for safe in '', '/', '/+=':
        escaped = urllib.parse.quote(secret, safe=safe)
        forms |= {escaped.encode(), re.sub(
            '%..', lambda m: m[0].lower(), escaped).encode()}
    # three bytes are four characters: it may begin at any of the three, and
    # a character that its neighbours have a part in is left out
    for before in range(3):
        whole = (before + len(plain)) * 8 // 6
        text = base64.b64encode(bytes(before) + plain)
        text = text[-(-before * 8 // 6):whole]
        forms |= {text, text.translate(bytes.maketrans(b'+/', b'-_'))}
    return forms


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """tmp_path where workers of another user may read it."""
    if not config.option.basetemp:
        config.option.basetemp = tempfile.mkdtemp(prefix='s3jobs-test-')


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A worker of xdist has ended: what it counted."""
    tally.update(getattr(node, 'workeroutput', {}).get('tally', {}))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(
        f'stand-ins: {tally["requests"]} requests, of these unsigned:'
        f' {tally["unsigned"]}, announced: {tally["announced"]}')


def pytest_sessionfinish(session, exitstatus):
    if hasattr(session.config, 'workeroutput'):
        session.config.workeroutput['tally'] = dict(tally)
    if exitstatus == 0:
        shutil.rmtree(session.config.option.basetemp, ignore_errors=True)


@pytest.fixture
def stand_in():
    servers = []

    def start(**options):
        servers.append(s3control.S3Control(**options))
        servers[-1].unsigned_expected = 0
        return servers[-1]

    yield start
    for server in servers:
        server.close()
        tally['requests'] += server.total
        tally['unsigned'] += server.unsigned
        tally['announced'] += server.unsigned_expected
    for server in servers:
        assert server.unsigned == server.unsigned_expected


@pytest.fixture
def s3(stand_in):
    return stand_in()


@pytest.fixture
def port():
    with nginx_process.Port() as port:
        yield port


@pytest.fixture
def clock(tmp_path, s3):
    s3.clock = Clock(tmp_path / 'clock')
    return s3.clock


@pytest.fixture
def certificates(tmp_path):
    def make(*names):
        directory = pathlib.Path(tempfile.mkdtemp(dir=tmp_path))
        directory.chmod(0o755)
        return s3control.make_certificates(directory, names)
    return make


class Gateway(nginx_process.Nginx):

    def __init__(self, *args, **options):
        self.expected = []
        super().__init__(*args, **options)

    def expect(self, pattern):
        self.expected.append(pattern)

    def complaints(self):
        text = self.log() + self.stderr()
        return [line for line in ALERT.findall(text)
                if not any(re.search(p, line) for p in self.expected)] \
            + SANITIZER.findall(text)


class Factory:

    def __init__(self, directory, s3):
        self.directory, self.s3 = directory, s3
        self.started = []
        self.stand_ins = {s3}
        self.secrets = set()
        self.numbers = itertools.count(1)

    def __call__(self, s3=None, env={}, clock=None, **options):
        prefix = self.directory / f'nginx{next(self.numbers)}'
        if clock:
            env = {**clock.environment, **env}
            options['main'] = clock.main + options.get('main', '')
        gateway = Gateway(prefix, self._upstream(s3), env=self._env(env),
                          **options)
        self.started.append(gateway)
        return gateway

    def check(self, s3=None, env={}, conf=None, **options):
        prefix = self.directory / f'check{next(self.numbers)}'
        with nginx_process.Port() as one, nginx_process.Port() as two:
            text = conf or nginx_process.configuration(
                prefix, one.number, two.number, self._upstream(s3), options)
            return nginx_process.check(prefix, text, self._env(env))

    def secret(self, text):
        self.secrets.add(text)

    def credentials(self, path, text):
        self.secrets.update(SECRET_LINE.findall(text))
        path = pathlib.Path(path)
        path.write_text(text)
        return path

    def _upstream(self, s3):
        s3 = s3 or self.s3
        self.stand_ins.add(s3)
        return f'127.0.0.1:{s3.port}'

    @staticmethod
    def _env(env):
        return {'AWS_ACCESS_KEY_ID': s3control.KEY,
                'AWS_SECRET_ACCESS_KEY': s3control.SECRET, **env}

    def finish(self):
        for s3 in self.stand_ins:
            s3.reset()
            self.secrets |= s3.secrets
        stopped = [gateway.stop() for gateway in self.started]
        complaints = sum((g.complaints() for g in self.started), [])
        assert not complaints, '\n'.join(complaints)
        assert all(stopped), 'nginx did not end on QUIT'
        forms = set().union(*map(disguises, self.secrets))
        found = [path for path in self._files()
                 for data in [path.read_bytes()]
                 if any(form in data for form in forms)]
        assert not found, f'a secret key in {found[0]}'

    def _files(self):
        for prefix in self.directory.glob('nginx*'):
            yield from (p for p in prefix.rglob('*') if p.is_file())


@pytest.fixture
def nginx(tmp_path, s3):
    for directory in tmp_path, *tmp_path.parents:
        if '/s3jobs-test-' in str(directory):
            directory.chmod(0o755)
    factory = Factory(tmp_path, s3)
    yield factory
    factory.finish()
    if not os.environ.get('TEST_KEEP'):
        for gateway in factory.started:
            shutil.rmtree(gateway.prefix)


@pytest.fixture(scope='session')
def node_modules():
    """Where the packages of t/node are, installed at first."""
    node, npm = shutil.which('node'), shutil.which('npm')
    if not (node and npm):
        pytest.skip('packages of npm need node and npm')
    version = subprocess.run([node, '--version'], capture_output=True,
                             text=True).stdout.strip()
    if int(version.lstrip('v').split('.')[0]) < 18:
        pytest.skip(f'packages of npm need node 18, not {version}')

    source = nginx_process.ROOT / 't/node'
    directory = nginx_process.BUILD / 'node'
    lock = (source / 'package-lock.json').read_bytes()
    installed = directory / '.installed'
    directory.mkdir(parents=True, exist_ok=True)
    with nginx_process.alone():
        if not installed.exists() or installed.read_bytes() != lock:
            for name in 'package.json', 'package-lock.json':
                shutil.copy(source / name, directory)
            subprocess.run([npm, 'ci', '--no-audit', '--no-fund',
                            '--ignore-scripts'], cwd=directory, check=True,
                           timeout=300)
            installed.write_bytes(lock)
        shutil.copy(source / 'list.mjs', directory)
    return directory


@pytest.fixture(scope='session')
def chromium():
    """One, and not one for each module that would import this."""
    import browser
    why = browser.missing()
    if why:
        pytest.skip(why)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = browser.start(profile)
        yield driver
        driver.quit()
