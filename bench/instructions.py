#!/usr/bin/python3
"""make bench-instructions: what requests, signatures and documents cost in
instructions, which repeat where times do not.  Fails if something costs more
than 3 % more than bench/instructions.tsv says."""

import argparse
import contextlib
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

import callgrind
import fronts
import goals
import listings
import micro
import stats
from gateway import told
from wire import Client

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / 'bench/instructions.tsv'
BEFORE = ROOT / 'bench/before.tsv'
FUNCTIONS = ROOT / 'build/bench/functions.txt'
PACKAGES = ('nginx', 'libssl3', 'libxml2', 'libc6', 'gcc', 'valgrind')

COLUMNS = 'instructions', 'sha256', 'allocations', 'locks'
MARGIN = 0.03
BATCHES = 5

REFUSED = 1001                  # maxResults is at most 1000

# rows of requests: the name, the front, jobs, requests in a batch
PLAIN = (('404', '404', 1, 20), ('plain 1', 'plain', 1, 20),
         ('plain 100', 'plain', 100, 5), ('plain 1000', 'plain', 1000, 1),
         ('hdrs 1', 'hdrs', 1, 20), ('hit 1', 'its-hit', 1, 20))
OURS = (('beside 1', 'beside', 1, 20),
        ('refused XML', 'xml', REFUSED, 20),
        ('refused JSON', 'json', REFUSED, 20),
        ('XML 1', 'xml', 1, 20), ('our hit 1', 'our-hit', 1, 20),
        ('JSON 1', 'json', 1, 20), ('JSON 100', 'json', 100, 5),
        ('JSON 1000', 'json', 1000, 1))


def answer(front, jobs, r):
    """Is it what this front is to answer?"""
    if front == '404':
        assert r.status == 404, r
    elif jobs == REFUSED:
        assert r.status == 400, r
        assert told(r, json=front == 'json')[0] == 'InvalidRequest'
    elif front == 'json':
        assert r.status == 200, r
        assert r.json() == listings.expected(jobs), r
    else:
        assert r.status == 200, r
        assert bytes(r.body) == listings.document(jobs), r


class Requests:
    """On one connection, or, where nginx closes it, each on its own."""

    def __init__(self, nginx, front, jobs):
        self.port, self.target = nginx.port, fronts.target(front, jobs)
        self.alone = front == '404' or jobs == REFUSED
        self.client = None if self.alone else nginx.connect()

    def __call__(self, n):
        for _ in range(n):
            if not self.alone:
                r = self.client.request(self.target)
                continue
            with Client(self.port) as client:
                r = client.request(self.target,
                                   headers={'Connection': 'close'})
        return r


def of_requests(directory, port, name, rows, text, module):
    """{row: (profile of the cheapest batch, requests in it)}.  The cheapest,
    because nginx's clock ticks, sooner or later, in some of them."""
    out = directory / f'{name}.callgrind'
    gateway = fronts.gateway(directory / name, port, text, module,
                             master=False, wrapper=callgrind.wrapper(out))
    with contextlib.ExitStack() as stack:
        stack.callback(gateway.stop)
        worker = callgrind.Worker(gateway, out)
        for row, front, jobs, n in rows:
            requests = Requests(gateway, front, jobs)
            answer(front, jobs, requests(3))
            worker.profile()
            profiles = []
            for _ in range(BATCHES):
                requests(n)
                profiles.append(worker.profile())
            yield row, min(profiles, key=lambda p: p.total), n


def of_the_pure_layer(directory, long):
    micro.compressions()
    paths = micro.documents()
    paths += listings.write(micro.DOCUMENTS,
                            (10000, 100000) if long else (10000,))
    rows = [(name, name, 10, ()) for name in micro.TOKENS]
    for path in paths:
        name, n = path.stem.rsplit('-', 1)
        rows.append((f'convert {"" if name == "jobs" else name + " "}{n}',
                     'convert', 1, (path,)))
        if name == 'jobs' and int(n) in listings.SIZES:
            rows.append((f'libxml2 {n}', 'libxml2', 1, (path,)))
    for row, name, n, args in rows:
        out = directory / f'{row.replace(" ", "-")}.callgrind'
        yield row, callgrind.measured(
            out, [micro.MICRO, 'count', name, n, *args], 'bench_measured'), n


def measure(long=False):
    directory = pathlib.Path(tempfile.mkdtemp(prefix='s3jobs-bench-'))
    directory.chmod(0o755)
    try:
        yield from of_the_pure_layer(directory, long)
        documents = directory / 'documents'
        listings.write(documents)
        upstream = fronts.upstream(directory / 'upstream', documents)
        try:
            yield from of_requests(directory, upstream.port, 'plain', PLAIN,
                                   fronts.PLAIN_FRONTS, '')
            yield from of_requests(directory, upstream.port, 'ours', OURS,
                                   fronts.OUR_FRONTS, fronts.MODULE)
        finally:
            upstream.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Row:
    """Of one request, signature or document.  all = instructions + sha256:
    hashing itself is OpenSSL's, and is counted apart."""

    def __init__(self, instructions, sha256, allocations, locks):
        self.instructions, self.sha256 = instructions, sha256
        self.allocations, self.locks = allocations, locks
        self.all = instructions + sha256

    @classmethod
    def of(cls, profile, n):
        hashing = profile.sha256
        return cls(*(round(value / n, 1) for value in (
            profile.total - hashing, hashing,
            profile.count(callgrind.ALLOCATE),
            profile.count(callgrind.LOCK))))

    def cells(self):
        return [f'{value:.0f}' if value == int(value) else f'{value:.1f}'
                for value in (self.instructions, self.sha256,
                              self.allocations, self.locks)]


def read(path):
    lines = [line for line in path.read_text().splitlines()
             if not line.startswith('#')]
    return {name: Row(*map(float, cells)) for name, *cells in
            (line.split('\t') for line in lines[1:])}


def write(path, rows):
    lines = [f'# {machine()}', '\t'.join(('name', *COLUMNS)),
             *('\t'.join((name, *row.cells())) for name, row in rows.items())]
    path.write_text('\n'.join(lines) + '\n')


def machine():
    """What the counts depend on."""
    versions = subprocess.run(
        ['dpkg-query', '-W', '-f', '${Package} ${Version}, ', *PACKAGES],
        capture_output=True, text=True).stdout
    return f'{platform.machine()}, {versions.strip(", ")}'


def worse(now, table):
    """What costs more than the table says, and the margin."""
    for name, row in now.items():
        if name not in table:
            yield f'"{name}" is not in the table'
            continue
        for column in COLUMNS:
            value, limit = getattr(row, column), getattr(table[name], column)
            if value > limit * (1 + MARGIN) + 0.5:
                yield (f'"{name}": {value:,.0f} {column}, the table has'
                       f' {limit:,.0f}')
    yield from (f'"{name}" was not measured' for name in table
                if name not in now)


def functions(profiles):
    """The most expensive functions of each row, as a text."""
    text = ''
    for name, (profile, n) in profiles.items():
        text += f'\n{name}: {profile.total / n:,.0f}\n'
        text += ''.join(f'{cost:14,.0f}  {function} [{obj}]\n' for
                        cost, function, obj in profile.functions(n))
    return text.lstrip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--update', action='store_true',
                        help='the committed table becomes what was counted')
    parser.add_argument('--long', action='store_true',
                        help='a document of 100,000 entries, too')
    args = parser.parse_args()

    profiles, now = {}, {}
    for name, profile, n in measure(args.long):
        profiles[name] = profile, n
        now[name] = Row.of(profile, n)
        print('  '.join([name.ljust(24), *(cell.rjust(12) for cell in
                                           now[name].cells())]), flush=True)
    FUNCTIONS.write_text(functions(profiles))

    if args.update:
        write(TABLE, now)
    table = read(TABLE)
    print(f'\n{stats.table(goals.rows(now, read(BEFORE)))}\n'
          f'\nby function: {FUNCTIONS.relative_to(ROOT)}')
    if found := [*worse(now, table)]:
        print(f'\nmore than {MARGIN:.0%} above {TABLE.relative_to(ROOT)},'
              f' which was counted with\n{TABLE.read_text().splitlines()[0]}'
              f'\n# {machine()} is here:', *found, sep='\n')
        sys.exit(1)


if __name__ == '__main__':
    main()
