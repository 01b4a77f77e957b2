"""conf-examples/cluster.conf on loopback: two machines that take requests,
three on which listings have their place, and a machine that dies."""

import collections
import random
import re
import threading

import pytest

from nginx import MODULE, Port, ROOT, alive, until
from s3control import KEY, SECRET
from wire import Client

A = '123456789012'
HOST = f'{A}.s3-control.eu-west-1.amazonaws.com'
LISTINGS = 500
LINE = re.compile(r'\S+ (\d+) "GET (\S+) \S+" (\d+) (\S+) (\S+)')


class Cluster:

    def __init__(self, nginx, certificates, stand_in, directory):
        made = certificates(HOST)
        self.nginx, self.directory, self.ca = nginx, directory, made.ca
        self.s3 = stand_in(tls=made)
        self.s3.key(KEY, SECRET, accounts=(A,))
        nginx.credentials(directory / 'aws', '[prod]\n'
                          f'aws_access_key_id = {KEY}\n'
                          f'aws_secret_access_key = {SECRET}\n')
        self.ports = [port.number for port in [Port() for _ in range(5)]]
        self.nodes = [self.start(i) for i in range(3)]
        self.edges = [self.start(i) for i in (3, 4)]

    def start(self, i):
        """Machine i, with the port for listings that it has."""
        text = (ROOT / 'conf-examples/cluster.conf').read_text()
        for old, new in {
                'modules/ngx_http_s3jobs_module.so': MODULE,
                'user www-data': 'user root',
                'listen 8090': f'listen 127.0.0.1:{self.ports[i]}',
                '10.0.0.11:8090': f'127.0.0.1:{self.ports[0]}',
                '10.0.0.12:8090': f'127.0.0.1:{self.ports[1]}',
                '10.0.0.13:8090': f'127.0.0.1:{self.ports[2]}',
                **{f'allow  10.0.0.1{n};': 'allow 127.0.0.1;'
                   for n in (1, 2, 3)},
                f'{HOST}:443': f'127.0.0.1:{self.s3.port}',
                '/etc/ssl/certs/ca-certificates.crt': self.ca,
                '/etc/nginx/aws': f'{self.directory}/aws',
                '/var/lib/nginx/s3jobs': f'{self.directory}/cache{i}',
                '/var/log/nginx/s3jobs.log': f'{self.directory}/log{i}',
                }.items():
            assert old in text, old
            text = text.replace(old, new)
        gw = self.nginx(s3=self.s3, conf=lambda gw: (
            f'pid {gw.prefix}/nginx.pid;\n'
            f'error_log {gw.prefix}/error.log info;\n'
            + text.replace('listen 8080', f'listen 127.0.0.1:{gw.port}')
            .replace('http {', f'http {{ proxy_temp_path {gw.prefix}/t;', 1)))
        gw.log_file = self.directory / f'log{i}'
        return gw

    def asked(self):
        """How often S3 was asked for each listing."""
        return collections.Counter(r.query for r in self.s3.requests)

    def places(self):
        """The machines that were asked for each listing."""
        places = collections.defaultdict(set)
        for i in range(3):
            for line in (self.directory / f'log{i}').read_text().splitlines():
                port, target, status, _, _ = LINE.match(line).groups()
                assert int(port) == self.ports[i]
                places[key(target)].add(i)
        return places


def key(target):
    return target.partition('maxResults=')[2].partition('&')[0]


def target(rng, n):
    """Listing n, its arguments in any order."""
    arguments = [f'maxResults={n}', rng.choice([
        'jobStatuses=Active,New', 'jobStatuses=New,Active',
        'jobStatuses=New&jobStatuses=Active&jobStatuses=New'])]
    rng.shuffle(arguments)
    return '/jobs?' + '&'.join(arguments)


@pytest.mark.skipif(not MODULE, reason='a configuration for the module')
def test_cluster(nginx, certificates, stand_in, tmp_path):
    cluster = Cluster(nginx, certificates, stand_in, tmp_path)
    rng = random.Random(1)
    failed, done, stop = [], collections.Counter(), threading.Event()

    # each listing twice from each edge, eight at a time
    wanted = [(edge, n) for n in range(1, LISTINGS + 1)
              for edge in cluster.edges] * 2
    rng.shuffle(wanted)

    def ask(edge, rng, n):
        r = edge.get(target(rng, n), timeout=60)
        if r.status != 200 or not r.complete:
            failed.append(r)
        done[edge] += 1

    def share(i):
        own = random.Random(i)
        for edge, n in wanted[i::8]:
            ask(edge, own, n)

    run([threading.Thread(target=share, args=(i,)) for i in range(8)])
    assert not failed, failed[0]
    assert len(cluster.asked()) == LISTINGS
    assert {*cluster.asked().values()} == {1}
    places = cluster.places()
    assert len(places) == LISTINGS
    assert all(len(where) == 1 for where in places.values())
    shares = collections.Counter(i for where in places.values()
                                 for i in where)
    assert all(shares[i] > LISTINGS / 6 for i in range(3)), shares

    # fifty clients for each edge, while a machine dies and comes back

    def client(edge, seed):
        own = random.Random(seed)
        while not stop.is_set():
            ask(edge, own, own.randrange(1, LISTINGS + 1))
            stop.wait(own.random() / 5)

    def some(n):
        before = sum(done.values())
        until(lambda: failed or sum(done.values()) > before + n, 'load')

    threads = [threading.Thread(target=client, args=(edge, f'{edge.port}.{i}'))
               for edge in cluster.edges for i in range(50)]
    for thread in threads:
        thread.start()
    some(300)
    dead = cluster.nodes[1]
    killed = {dead.master, *dead.workers()}
    for pid in killed:
        dead.signal('KILL', pid)
    until(lambda: not alive(*killed), 'death')
    some(500)
    cluster.nodes[1] = cluster.start(1)
    some(500)
    lines = len(cluster.nodes[1].log_file.read_text().splitlines())
    until(lambda: failed or lines < len(
        cluster.nodes[1].log_file.read_text().splitlines()), 'its return')
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed, (len(failed), failed[0])

    # what was asked again had its place there
    again = {key('?' + query) for query, n in cluster.asked().items() if n > 1}
    assert again <= {n for n, where in places.items() if where == {1}}
    print(f'{sum(done.values())} requests, {shares} places, {len(again)} of'
          f' {shares[1]} asked again')


def run(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
