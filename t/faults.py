#!/usr/bin/python3
"""Faults under load: clients ask all the time while something is broken, and
each request is accounted for.  An answer is right, or a declared error, or,
where the fault cannot but break connections, cut.  It is never wrong, and
nothing goes upstream that is not signed right.

    make faults [FAULT_TIME=seconds] [FAULTS="name ..."]
"""

import argparse
import collections
import contextlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree

import nginx
import s3control
from clock import Clock
from credentials import source
from failing import FailingAllocations
from nginx import Nginx, until
from providers import Agent, Fault
from s3control import Reply
from wire import Client

CLIENTS = 4
JOBS = 60

# a document that is held, one that is streamed, and one that passes
MODES = {'/jobs': 's3jobs_json on;',
         '/streamed': 's3jobs_json on; s3jobs_json_buffer_size 1k;',
         '/xml': ''}

FAULTS = {}


def fault(codes=(), cuts=False):
    """codes: of the errors that the fault may make; None: any."""
    def register(function):
        FAULTS[function.__name__.replace('_', ' ')] = function, codes, cuts
        return function
    return register


class Run:
    """One fault: nginx, a stand-in for S3 Control, and clients."""

    def __init__(self, directory, seconds):
        self.directory, self.seconds = directory, seconds
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.random = random.Random(str(directory.name))
        self.stack = contextlib.ExitStack()
        self.outcome = collections.Counter()
        self.codes = collections.Counter()
        self.wrong = []
        self.unlucky = 0                # a share of the clients that leave
        self.paths = [*MODES]
        self.over = threading.Event()
        self.serve()

    def serve(self, port=0):
        self.s3 = s3control.S3Control(port, JOBS)
        self.stack.callback(self.s3.close)
        self.ids = [job['JobId'] for job in self.s3.jobs()]
        self.s3.on_request = self.judge

    def judge(self, request):
        """What goes upstream, while it does; nothing is kept of it."""
        if request.method and not request.all('Authorization'):
            self.wrong.append(f'unsigned upstream: {request}')
        self.s3.clear()

    def start(self, env={}, location='', server='', **options):
        more = ''.join(nginx.location({**nginx.DEFAULTS, 'path': f'= {path}',
                                       'location': MODES[path] + location})
                       for path in ('/streamed', '/xml'))
        self.gw = Nginx(self.directory / 'nginx', f'127.0.0.1:{self.s3.port}',
                        env={'AWS_ACCESS_KEY_ID': s3control.KEY,
                             'AWS_SECRET_ACCESS_KEY': s3control.SECRET,
                             **env}, server=server + more,
                        location=MODES['/jobs'] + location, **options)
        self.stack.callback(self.gw.stop)
        self.ready()
        self.end = time.monotonic() + self.seconds
        self.threads = [threading.Thread(target=self.client, args=(n,))
                        for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def ready(self):
        for path in self.paths:
            until(lambda: self.ask(path)[0] == 'right', f'answer of {path}')

    def going(self, pause=0.2):
        return not self.over.wait(max(min(pause, self.end - time.monotonic()),
                                      0)) and time.monotonic() < self.end

    def client(self, n):
        rnd = random.Random(n)
        while not self.over.is_set():
            for path in self.paths:
                if rnd.random() < self.unlucky:
                    self.leave(path, rnd)
                    continue
                what, code = self.ask(path)
                self.outcome[what] += 1
                if code:
                    self.codes[code] += 1

    def leave(self, path, rnd):
        with contextlib.suppress(OSError), Client(self.gw.port) as client:
            client.send(f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n')
            if rnd.random() < 0.5:
                client.sock.recv(rnd.choice([1, 100, 10000]))
            client.abort()

    def ask(self, path):
        """(right, error, cut or wrong; the code of an error)"""
        try:
            r = self.gw.get(path)
        except OSError:
            return 'cut', None
        if r.status is None or not r.complete:
            return 'cut', None
        try:
            return self.look(path, r)
        except (ValueError, KeyError, AttributeError, AssertionError,
                ElementTree.ParseError) as e:
            self.wrong.append(f'{path}: {type(e).__name__} {e} in {r}')
            return 'wrong', None

    def look(self, path, r):
        if r.status != 200:
            return 'error', json.loads(r.body)['code'] if path != '/xml' \
                else ElementTree.fromstring(bytes(r.body)).find(
                    'Error/Code').text
        if path == '/xml':
            ids = [e.text for e in ElementTree.fromstring(bytes(r.body))
                   .iter() if e.tag.endswith('JobId')]
        else:
            ids = [job['JobId'] for job in json.loads(r.body)['Jobs']]
        assert ids == self.ids, 'other jobs'
        return 'right', None

    def finish(self):
        """The fault is over: all is well again."""
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.s3.reset()
        self.ready()
        if not self.gw.stop():
            self.wrong.append('nginx did not end on QUIT')


# the faults

def credentials(run, key, secret):
    run.s3.key(key, secret)
    new = run.directory / 'new'
    new.write_text(f'[default]\naws_access_key_id = {key}\n'
                   f'aws_secret_access_key = {secret}\n')
    new.chmod(0o640)
    new.rename(run.directory / 'credentials')


@fault()
def reloads_and_rolling_keys(run):
    credentials(run, 'AKIDROLL0', 'roll0' * 8)
    run.start(workers=2, sources='s3jobs_credentials_source ops file'
              f' path={run.directory}/credentials;')
    n = 0
    while run.going(1):
        n += 1
        credentials(run, f'AKIDROLL{n}', f'roll{n}' * 8)
        run.gw.reload()


@fault(cuts=True)
def workers_killed(run):
    run.start(workers=2)
    while run.going(0.5):
        before = run.gw.workers()
        run.gw.signal('KILL', run.random.choice(before))
        until(lambda: len({*run.gw.workers()} & {*before}) == 1
              and len(run.gw.workers()) == 2, 'new worker')


@fault()
def workers_stopped(run):
    run.start(workers=2)
    while run.going(0.3):
        pid = run.random.choice(run.gw.workers())
        run.gw.signal('STOP', pid)
        run.going(0.3)
        run.gw.signal('CONT', pid)


@fault(codes=('BadGateway', 'BadUpstreamResponse'), cuts=True)
def upstream_resets(run):
    run.s3.always(lambda request: Reply(
        cut=run.random.choice([0, 100, 5000]), reset=True)
        if run.random.random() < 0.3 else None)
    run.start()
    while run.going():
        pass


@fault(codes=('BadGateway', 'BadUpstreamResponse'), cuts=True)
def upstream_restarts(run):
    run.start(servers='upstream s3control { server UPSTREAM max_fails=0;'
              ' keepalive 8; }')
    while run.going(0.5):
        run.s3.close()
        run.going(0.2)
        run.serve(run.s3.port)


@fault(codes=('GatewayTimeout', 'BadUpstreamResponse', 'BadGateway'),
       cuts=True)
def upstream_stalls(run):
    def reply(request):
        kind = run.random.random()
        return Reply(never=True) if kind < 0.1 else \
            Reply(body_delay=3) if kind < 0.2 else None
    run.s3.always(reply)
    run.start(location='proxy_read_timeout 500ms;')
    while run.going():
        pass


@fault(codes=('SlowDown', 'TooManyRequests', 'ServiceUnavailable'))
def upstream_throttles(run):
    run.s3.always(lambda request: Reply(error='SlowDown')
                  if run.random.random() < 0.3 else None)
    run.start()
    while run.going():
        pass


@fault(codes=('BadUpstreamResponse',), cuts=True)
def documents_broken(run):
    def body(request):
        text = b''.join(run.s3.listing(run.s3.jobs()))
        if run.random.random() < 0.3:
            at = run.random.randrange(len(text))
            return text[:at] + b'\0' + text[at:]
        return text

    # what passes in XML is S3's own document, good or not
    run.paths = [path for path in MODES if path != '/xml']
    run.s3.always(lambda request: Reply(body=body))
    run.start()
    while run.going():
        pass


@fault(codes=('RequestTimeTooSkewed',))
def clocks_jump(run):
    """S3 is the first to see it: nginx reads its clock once a cycle."""
    run.s3.clock = clock = Clock(run.directory / 'clock')
    run.start(env=clock.environment, main=clock.main)
    while run.going(0.5):
        clock.advance(run.random.choice([-7200, 3600, 86400, -60]))


@fault()
def clients_leave(run):
    run.unlucky = 0.5
    run.start()
    while run.going():
        pass


# the clock is moved while requests are under way, too
@fault(codes=('CredentialsUnavailable', 'ExpiredToken'))
def provider_fails(run):
    run.s3.clock = clock = Clock(run.directory / 'clock')
    agent = run.stack.enter_context(Agent(run.s3, lifetime=3600))
    run.start(env=clock.environment, main=clock.main,
              sources=source('ops', 'container', uri=agent.uri))
    while run.going(0.5):
        agent.fault = run.random.choice([
            Fault(status=500), Fault(body=b'{'), None])
        clock.advance(600)
    agent.fault = None
    clock.advance(60)


@fault(codes=None, cuts=True)
def no_descriptors(run):
    run.start(main='worker_rlimit_nofile 20;', level='crit')
    idle = []
    while run.going(0.1):
        with contextlib.suppress(OSError):
            idle.append(Client(run.gw.port))
        if len(idle) > 12:
            for client in idle:
                client.close()
            idle.clear()
    for client in idle:
        client.close()


@fault(codes=None, cuts=True)
def allocations_fail(run):
    failing = FailingAllocations(run.directory)
    run.start(env=failing.environment, level='crit')
    while run.going(0.01):
        failing.arm(run.random.randrange(1, 300))
    failing.arm(0)


@fault(codes=None, cuts=True)
def disk_full(run):
    full = run.directory / 'full'
    full.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', full],
                   check=True)
    run.stack.callback(lambda: subprocess.run(['umount', '-l', full]))
    run.start(http=f'proxy_cache_path {full}/cache keys_zone=c:1m'
              f' use_temp_path=off;', level='crit',
              location='proxy_cache c; proxy_cache_valid 1s;')
    filler = full / 'filler'
    while run.going(0.3):
        with contextlib.suppress(OSError), filler.open('wb') as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        run.going(0.3)
        filler.unlink()


def one(name, directory, seconds):
    function, codes, cuts = FAULTS[name]
    run = Run(directory, seconds)
    try:
        function(run)
        run.finish()
    finally:
        run.over.set()
        run.stack.close()
    if codes is not None:
        run.wrong += [f'error {code}' for code in {*run.codes} - {*codes}]
    if run.outcome['cut'] and not cuts:
        run.wrong.append(f'{run.outcome["cut"]} connections cut')
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--keep', action='store_true',
                        help='what nginx wrote')
    parser.add_argument('faults', nargs='*', help=', '.join(FAULTS))
    args = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix='s3jobs-faults-'))
    directory.chmod(0o755)
    print('| fault | sent | right | declared errors | cut | wrong |\n'
          '|---|---|---|---|---|---|')
    failed = []
    for name in args.faults or FAULTS:
        try:
            run = one(name, directory / name.replace(' ', '-'), args.seconds)
        except subprocess.CalledProcessError as e:
            print(f'| {name} | not run: {e} | | | | |', flush=True)
            continue
        said = ', '.join(f'{n} {code}' for code, n in run.codes.items())
        print(f'| {name} | {sum(run.outcome.values())} |'
              f' {run.outcome["right"]} | {said or 0} |'
              f' {run.outcome["cut"]} | {run.outcome["wrong"]} |', flush=True)
        failed += [f'{name}: {text}' for text in run.wrong]
    print(*failed[:20], sep='\n')
    if not failed and not args.keep:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
