"""Starts, reloads, upgrades and stops a private nginx, by process id, in a
prefix of its own.  The tests and the demo use it."""

import contextlib
import fcntl
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from wire import PATIENCE, Client, h2

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get('BUILD', 'build')
BINARY = os.environ.get('TEST_NGINX_BINARY', '/usr/sbin/nginx')
MODULE = os.environ.get('TEST_NGINX_MODULE',
                        str(BUILD / 'ngx_http_s3jobs_module.so'))

# a line of the level debug, with what it breaks into
DEBUG = re.compile(r'^[\d/]{10} [\d:]{8} \[debug\] .*\n'
                   r'(?:(?![\d/]{10} [\d:]{8} \[).*\n)*', re.M)

SANITIZERS = {'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS'} & {*os.environ}

CONFIGURATION = """\
{load_module}
{main}
{user}
worker_processes {workers};
master_process {master_process};
daemon {daemon};
pid {prefix}/nginx.pid;
error_log {prefix}/error.log {level};

events {{
    worker_connections 2048;
    {events}
}}

http {{
    log_format test '{log_format}';
    access_log {prefix}/access.log test;

    client_body_temp_path {prefix}/client_body_temp;
    proxy_temp_path {prefix}/proxy_temp;
    fastcgi_temp_path {prefix}/fastcgi_temp;
    uwsgi_temp_path {prefix}/uwsgi_temp;
    scgi_temp_path {prefix}/scgi_temp;

    {http}

    server {{
        listen 127.0.0.1:{port};
        {listen_h2}
        {server}
    }}
}}
"""

# what fills the template, and the standard location in it
DEFAULTS = {
    'main': '', 'events': '', 'http': '', 'server': '', 'location': '',
    'user': 'root', 'workers': 1, 'master': True, 'daemon': False,
    'level': os.environ.get('TEST_LEVEL', 'info'),
    'module': MODULE, 'h2': False,
    'log_format': '$remote_addr "$request" $status $body_bytes_sent',
    'sources': 's3jobs_credentials_source ops env;',
    'servers': 'upstream s3control { server UPSTREAM; keepalive 8; }',
    'path': '= /jobs',
    'account': '123456789012', 'region': 'us-east-1', 'credentials': 'ops',
    'proxy_pass': 'http://s3control',
}


@contextlib.contextmanager
def alone():
    """Of the processes that test side by side, one at a time in here."""
    with open(BUILD / 'tests.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(program):
    """The path of a program below BUILD, which make brings up to date."""
    path = BUILD / program
    with alone():
        subprocess.run(['make', '--no-print-directory', '-s',
                        path.relative_to(ROOT)], cwd=ROOT, check=True)
    return str(path)


class Port(socket.socket):
    """A port of 127.0.0.1 that is ours until close().  It is bound, so that
    the kernel gives it to nobody else; it does not listen, so that nginx,
    which sets SO_REUSEADDR too, can bind it, and until then connections to
    it are refused."""

    def __init__(self, number=0):
        super().__init__()
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind(('127.0.0.1', number))
        self.number = self.getsockname()[1]


def until(condition, what='condition', timeout=PATIENCE):
    """What condition() returns, as soon as that is true."""
    end = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < end, f'no {what} after {timeout} s'
        time.sleep(0.01)
    return result


def location(options):
    """The standard location; s3jobs_* that are None are left out."""
    settings = ''.join(f's3jobs_{name} {options[name]};\n'
                       for name in ('account', 'region', 'credentials')
                       if options[name] is not None)
    return (f'location {options["path"]} {{\ns3jobs on;\n{settings}'
            f'{options["location"]}\nproxy_pass {options["proxy_pass"]};\n}}')


def configuration(prefix, port, h2_port, upstream, options):
    """The text of nginx.conf.  Without a path there is no standard location
    and nothing of the module: a plain nginx."""
    unknown = options.keys() - DEFAULTS.keys()
    assert not unknown, f'unknown options: {unknown}'
    o = {**DEFAULTS, **options}
    http, server = o['http'], o['server']
    if o['path']:
        servers = o['servers'].replace('UPSTREAM', str(upstream))
        # a busy machine may be late with the first credentials
        timeout = 's3jobs_credentials_timeout 1h;'
        http = (('' if timeout.split()[0] in http else timeout)
                + f'\n{o["sources"]}\n{servers}\n{http}')
        server = f'{server}\n{location(o)}'
    # for a binary that takes over
    main = o['main'] + ''.join(f'env {name};\n' for name in SANITIZERS)
    return CONFIGURATION.format(**{
        **o, 'main': main, 'prefix': prefix, 'port': port, 'http': http, 'server': server,
        'load_module': o['module'] and f'load_module {o["module"]};',
        'user': f'user {o["user"]};' if os.geteuid() == 0 else '',
        'master_process': 'on' if o['master'] else 'off',
        'daemon': 'on' if o['daemon'] else 'off',
        'listen_h2': f'listen 127.0.0.1:{h2_port} http2;' if o['h2'] else ''})


def environment(extra):
    """Nothing of the developer's but the sanitizers' options."""
    kept = {k: os.environ[k] for k in SANITIZERS}
    given = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/nonexistent',
             **kept, **extra}
    return {k: v for k, v in given.items() if v is not None}


def check(directory, text, env):
    """nginx -t: (exit code, output)."""
    directory.mkdir(parents=True, exist_ok=True)
    conf = directory / 'nginx.conf'
    conf.write_text(text)
    done = subprocess.run([BINARY, '-t', '-p', directory, '-c', conf, '-e',
                           'stderr'], env=environment(env), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=PATIENCE)
    return done.returncode, done.stdout


def process(pid):
    """What lives under that pid: (parent's pid, command line), or None."""
    directory = f'/proc/{pid}'
    with contextlib.suppress(OSError), open(directory + '/stat') as stat:
        state, parent = stat.read().rpartition(')')[2].split()[:2]
        if state != 'Z':
            with open(directory + '/cmdline') as command:
                return int(parent), command.read().replace('\0', ' ').strip()


def processes(sessions):
    """Of all that live in these: {pid: (parent's pid, command line)}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            if os.getsid(int(pid)) in sessions and (of := process(pid)):
                found[int(pid)] = of
    return found


def alive(*pids):
    return {pid for pid in pids if process(pid)}


class Nginx:

    def __init__(self, prefix, upstream=None, port=None, env={}, wrapper=(),
                 conf=None, **options):
        """upstream: host:port of the upstream s3control.  conf: the whole
        text instead, or a function of this object that makes it."""
        self.prefix = pathlib.Path(prefix)
        self._ports = [Port(port or 0), Port()]
        self.port, self.h2_port = (port.number for port in self._ports)
        self.upstream, self.options, self.conf = upstream, options, conf
        self.clients = []

        # nginx's own default for the access log, where a test names none
        (self.prefix / 'logs').mkdir(parents=True, exist_ok=True)
        (self.prefix / 'nginx.pid').unlink(missing_ok=True)
        self.configure()
        with open(self.prefix / 'stderr.log', 'ab') as stderr:
            self._process = subprocess.Popen(
                [*wrapper, BINARY, '-p', self.prefix, '-c',
                 self.prefix / 'nginx.conf', '-e', self.prefix / 'error.log'],
                env=environment(env), stdin=subprocess.DEVNULL,
                stdout=stderr, stderr=stderr, start_new_session=True)
        self.master = self._process.pid
        self._sessions = {self.master}
        try:
            until(self._ready, 'start of nginx')
        except BaseException:
            self.stop()
            raise

    def _ready(self):
        assert self._process.poll() in (None, 0), \
            f'nginx did not start:\n{self.log()}{self.stderr()}'
        with contextlib.suppress(OSError, ValueError):
            self.master = self._pid()
            self._sessions.add(os.getsid(self.master))
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return len(self.workers()) == self._expected_workers()

    def _pid(self):
        return int((self.prefix / 'nginx.pid').read_text())

    def _expected_workers(self):
        counts = re.findall(r'^\s*worker_processes\s+(\d+)', self.text, re.M)
        return int(counts[-1]) if counts else 1

    def configure(self, conf=None, **changes):
        """Writes nginx.conf anew."""
        self.options.update(changes)
        self.conf = conf or self.conf
        self.text = self.conf(self) if callable(self.conf) else self.conf \
            or configuration(self.prefix, self.port, self.h2_port,
                             self.upstream, self.options)
        (self.prefix / 'nginx.conf').write_text(self.text)

    # processes

    def workers(self, old=False):
        """The pids of the workers that take requests; with old also those
        that are shutting down."""
        if not self.options.get('master', True):
            return sorted(alive(self.master))
        others = 'master process|cache (manager|loader)' \
                 + ('' if old else '|shutting down')
        # what has no command line any more is about to be gone
        return sorted(
            pid for pid, (parent, command) in processes(self._sessions).items()
            if parent == self.master and command
            and not re.search(others, command))

    def signal(self, name, pid=None):
        os.kill(pid or self.master, getattr(signal, 'SIG' + name))

    def reload(self, conf=None, **changes):
        """HUP, with another configuration if given; returns when the new
        workers are up and the old ones are shutting down or gone."""
        before = {*self.workers(old=True)}
        self.configure(conf, **changes)
        self.signal('HUP')
        until(lambda: len({*self.workers()} - before)
              == self._expected_workers() and not {*self.workers()} & before,
              what='new workers')

    def upgrade(self):
        """To a new master by USR2, WINCH, QUIT; needs daemon=True, since
        nginx takes USR2 only after its first parent is gone."""
        old, workers = self.master, self.workers()
        self.signal('USR2')
        until(lambda: (self.prefix / 'nginx.pid.oldbin').exists(),
              what='nginx.pid.oldbin')
        until(self._new_master, what='new master')
        self.signal('WINCH', old)
        until(lambda: not alive(*workers), 'end of the old workers')
        self.signal('QUIT', old)
        until(lambda: not alive(old), what='end of the old master')

    def _new_master(self):
        with contextlib.suppress(OSError, ValueError):
            self.master = self._pid()
            return len(self.workers()) == self._expected_workers()

    def stop(self):
        """QUIT, and if that is not enough TERM and KILL; False then."""
        for client in self.clients:
            client.close()
        clean = True
        for name in 'QUIT', 'TERM', 'KILL':
            ours = self._ours()
            if not ours:
                break
            clean = name == 'QUIT'
            for pid in ours if name == 'KILL' else ours & {self.master} \
                    or ours:
                with contextlib.suppress(ProcessLookupError):
                    self.signal(name, pid)
            with contextlib.suppress(AssertionError):
                until(lambda: not self._ours())
        self._process.wait(PATIENCE)
        for port in self._ports:
            port.close()
        return clean

    def _ours(self):
        """All that came of what was started: they share a session."""
        self._process.poll()
        return {*processes(self._sessions)}

    # what it wrote

    def _file(self, name):
        path = self.prefix / name
        return path.read_bytes().decode(errors='replace') \
            if path.exists() else ''

    def log(self):
        """Without what TEST_LEVEL adds, unless the test set the level."""
        text = self._file('error.log')
        return text if 'level' in self.options else DEBUG.sub('', text)

    def stderr(self):
        return self._file('stderr.log')

    def access(self):
        return self._file('access.log').splitlines()

    def wait_log(self, pattern, count=1):
        """All matches in the error log, when there are count of them."""
        def found():
            matches = re.findall(pattern, self.log())
            return matches if len(matches) >= count else None
        return until(found, f'"{pattern}" in the error log')

    # requests

    def connect(self, **options):
        """A client, closed when nginx is stopped."""
        client = Client(self.port, **options)
        self.clients.append(client)
        return client

    def get(self, target='/jobs', headers=(), method='GET', body=b'',
            **options):
        """One request on a connection of its own."""
        with Client(self.port, **options) as client:
            return client.request(target, headers, method, body)

    def get_h2(self, target='/jobs', headers=(), method='GET'):
        """The same over HTTP/2; needs h2=True."""
        return h2(self.h2_port, target, headers, method)
