#!/usr/bin/python3
"""make bench: this module side by side with plain nginx, njs and xslt_filter
in one run: processor time of the worker per request, memory of slow clients,
the first byte of a document that drips.  Writes bench/RESULTS.md and the
picture bench/results.svg."""

import argparse
import collections
import contextlib
import json
import pathlib
import re
import shutil
import socket
import tempfile
import threading
import time

import fronts
import listings
import micro
import report
from s3control import S3Control, make_certificates

# by the nginx that they live in
NGINXES = {
    'plain': (fronts.PLAIN_FRONTS, {}),
    'ours': (fronts.OUR_FRONTS, {'module': fronts.MODULE}),
    'njs': (fronts.NJS_FRONTS, {'module': fronts.NJS_MODULE,
                                'more': fronts.NJS_HTTP}),
    'xslt': (fronts.XSLT_FRONTS, {'module': fronts.XSLT_MODULE}),
}
FRONTS = {'plain': 'plain', 'hdrs': 'plain', 'its-hit': 'plain', 'xml': 'ours',
          'our-hit': 'ours', 'json': 'ours', 'njs': 'njs',
          'njs-json': 'njs', 'xslt': 'xslt'}
JSON = 'json', 'njs-json', 'xslt'
SIGNING = 'xml', 'json', 'njs', 'njs-json'

CONNECTIONS = 4
# requests on each of them in a round
REQUESTS = {1: 25, 100: 10, 1000: 3}
# what takes long has one connection, and so many requests
SLOW = {('njs-json', 100): 4, ('njs-json', 1000): 1,
        ('xslt', 100): 8, ('xslt', 1000): 2}

CLIENTS = 40                    # slow ones at once
SLOWLY = 'sndbuf=16k'           # or the kernel's buffers take a document


def cpu(pid):
    """Nanoseconds that the process has run, in user and system mode."""
    return int(pathlib.Path(f'/proc/{pid}/schedstat').read_text().split()[0])


def private(pid):
    """Bytes of memory that only this process has."""
    text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
    return 1024 * sum(map(int, re.findall(r'^Private_\w+: +(\d+)', text,
                                          re.M)))


class Load:
    """Keeps its connections; a call asks, and says how often."""

    def __init__(self, gateway, front, jobs):
        slow = SLOW.get((front, jobs))
        self.times = slow or REQUESTS[jobs]
        self.clients = [gateway.connect(timeout=300) for _ in
                        range(1 if slow else CONNECTIONS)]
        self.request = (f'GET {fronts.target(front, jobs)} HTTP/1.1\r\n'
                        'Host: localhost\r\n\r\n')

    def once(self):
        for client in self.clients:
            client.send(self.request)
        for client in self.clients:
            r = client.response()
            assert r.status == 200 and r.complete, r

    def __call__(self):
        for _ in range(self.times):
            self.once()
        return self.times * len(self.clients)


@contextlib.contextmanager
def gateways(directory, upstream, ca=None, names=NGINXES, **options):
    started = {}
    try:
        for name in names:
            text, more = NGINXES[name]
            started[name] = fronts.gateway(
                directory / name, upstream, text, ca=ca, **more, **options)
        yield started
    finally:
        for gateway in started.values():
            gateway.stop()


def check_signatures(directory):
    """By the stand-in, which derives each anew with botocore."""
    with S3Control(jobs=1) as s3, \
            gateways(directory, s3.port, names=('ours', 'njs')) as started:
        for front in SIGNING:
            started[FRONTS[front]].get(fronts.target(front, 1))
        verdicts = [r.verdict for r in s3.requests]
        assert verdicts == [None] * len(SIGNING), s3.requests


def check_answers(started):
    for front, name in FRONTS.items():
        for jobs in listings.SIZES:
            r = started[name].get(fronts.target(front, jobs), timeout=300)
            assert r.status == 200 and r.complete, (front, jobs, r)
            if front in JSON:
                assert r.json() == listings.expected(jobs), (front, jobs, r)
            else:
                assert bytes(r.body) == listings.document(jobs), (front, r)


def times(started, rounds):
    """{front jobs: nanoseconds of the worker per request, by round}"""
    ns = collections.defaultdict(list)
    workers = {name: g.workers()[0] for name, g in started.items()}
    loads = {(front, jobs): Load(started[FRONTS[front]], front, jobs)
             for jobs in listings.SIZES for front in FRONTS}
    for _ in range(rounds):
        for (front, jobs), load in loads.items():
            worker = workers[FRONTS[front]]
            if (front, jobs) not in SLOW:
                load.once()             # the caches of the processor
            before = cpu(worker)
            answered = load()
            ns[f'{front} {jobs}'].append((cpu(worker) - before) / answered)
    return ns


def slow_clients(directory, upstream, ca):
    """{front: bytes of each request in flight}, its client reading
    nothing."""
    found = {}
    for front in 'plain', 'xml', 'json':
        with gateways(directory, upstream, ca, [FRONTS[front]],
                      listen=SLOWLY) as started, \
                contextlib.ExitStack() as clients:
            [gateway] = started.values()
            [worker] = gateway.workers()

            def ask(n):
                for _ in range(n):
                    sock = socket.socket()
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    sock.connect(('127.0.0.1', gateway.port))
                    sock.sendall(f'GET {fronts.target(front, 1000)} HTTP/1.1'
                                 '\r\nHost: localhost\r\n\r\n'.encode())
                    clients.callback(sock.close)
                settle(worker)
                return private(worker)

            few = ask(CLIENTS)
            found[front] = (ask(CLIENTS) - few) / CLIENTS
    return found


def settle(pid):
    """Until the process does nothing any more."""
    while True:
        before = cpu(pid)
        time.sleep(0.5)
        if cpu(pid) == before:
            return


def drip(sock, document, sent):
    """80,000 bytes at once, then 4 kB each tenth of a second."""
    with sock.accept()[0] as peer:
        peer.recv(65536)
        peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n'
                     b'Content-Length: %d\r\n\r\n' % len(document))
        start, step = 0, 80000
        with contextlib.suppress(OSError):
            while start < len(document):
                sent.append(time.monotonic())
                peer.sendall(document[start:start + step])
                start, step = start + step, 4096
                time.sleep(0.1)


def first_bytes(directory, n=9):
    """Seconds from the piece that filled the buffer to the first byte of the
    JSON, n times."""
    document = listings.document(1000)[:200000]
    took = []
    with socket.create_server(('127.0.0.1', 0)) as sock, \
            gateways(directory, sock.getsockname()[1],
                     names=['ours']) as started:
        for _ in range(n):
            sent = []
            thread = threading.Thread(target=drip,
                                      args=(sock, document, sent))
            thread.start()
            with socket.create_connection(
                    ('127.0.0.1', started['ours'].port)) as client:
                client.sendall(f'GET {fronts.target("json", 1000)} HTTP/1.1'
                               '\r\nHost: localhost\r\n\r\n'.encode())
                assert client.recv(1)
                now = time.monotonic()
                took.append(now - max(t for t in sent if t < now))
            thread.join()
    return took


def long_run(directory, upstream, ca, requests):
    """[(requests, bytes of memory of the worker)]: JSON and XML of 1
    to 1,000 jobs."""
    done, found = 0, []
    with gateways(directory, upstream, ca, ['ours']) as started:
        gateway = started['ours']
        [worker] = gateway.workers()
        loads = [Load(gateway, front, jobs) for front, jobs in
                 (('xml', 1), ('json', 1), ('json', 100), ('xml', 1000))]
        while done < requests:
            done += sum(load() for load in loads)
            found.append((done, private(worker)))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=101)
    parser.add_argument('--requests', type=int, default=10000,
                        help='of the run that looks at the memory of the'
                             ' worker (300000 takes some minutes)')
    args = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix='s3jobs-bench-'))
    directory.chmod(0o755)
    documents = directory / 'documents'
    listings.write(documents)
    tls = make_certificates(directory, [fronts.HOST])
    try:
        check_signatures(directory / 'signatures')
        upstream = fronts.upstream(directory / 'upstream', documents, tls)
        try:
            with gateways(directory / 'times', upstream.port,
                          tls.ca) as started:
                check_answers(started)
                print('the answers are right')
                ns = times(started, args.rounds)
            results = {
                'machine': report.machine(), 'rounds': args.rounds, 'ns': ns,
                'slow': slow_clients(directory / 'slow', upstream.port,
                                     tls.ca),
                'drip': first_bytes(directory / 'drip'),
                'long': long_run(directory / 'long', upstream.port, tls.ca,
                                 args.requests),
                'micro': micro.measure(301)}
        finally:
            upstream.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    report.RESULTS.write_text(json.dumps(results))
    report.main()


if __name__ == '__main__':
    main()
