"""Runs things under valgrind's callgrind, and reads what it writes: how many
instructions were executed, by function."""

import collections
import os
import re
import subprocess

TOOL = ('valgrind', '--tool=callgrind')

# a location whose requests make callgrind write what was counted since the
# last one: nothing else calls this function of nginx
MARK = 'ngx_http_named_location'
MARK_LOCATION = """
location = /mark { error_page 418 = @mark; return 418; }
location @mark { return 204; }
"""

ALLOCATE = ('malloc', 'calloc', 'realloc', 'posix_memalign', 'memalign')
LOCK = ('pthread_mutex_lock', 'pthread_rwlock_rdlock',
        'pthread_rwlock_wrlock', 'pthread_spin_lock', 'sem_wait',
        'ngx_shmtx_lock', 'ngx_rwlock_rlock', 'ngx_rwlock_wlock')

# "fn=(id) name", the name only the first time
NAMED = re.compile(r'(c?)(ob|fn)=\((\d+)\)(?: (.*))?')
COST = re.compile(r'[+*-]?\d* ?(\d+)$')


class Profile:
    """One file of callgrind's.  own: {(object, function): instructions},
    those of called functions left out; calls: {function: times}."""

    def __init__(self, path):
        self.own = collections.Counter()
        self.calls = collections.Counter()
        self._callees = collections.defaultdict(set)
        names = {'ob': {}, 'fn': {}}
        here = {'ob': '', 'fn': '', 'cob': '', 'cfn': ''}
        after_call = False
        with open(path, errors='replace') as lines:
            for line in lines:
                if match := NAMED.match(line):
                    called, kind, number, name = match.groups()
                    if name:
                        names[kind][number] = name
                    here[called + kind] = names[kind][number]
                elif line.startswith('calls='):
                    # without a cob= the object is that of the caller
                    callee = here['cob'] or here['ob'], bare(here['cfn'])
                    caller = here['ob'], bare(here['fn'])
                    self.calls[callee[1]] += int(line[6:].split()[0])
                    self._callees[caller].add(callee)
                    here['cob'] = ''
                    after_call = True
                elif line[0] in '+-*0123456789':
                    # the line behind calls= has the cost of what was called
                    if not after_call:
                        key = here['ob'], bare(here['fn'])
                        self.own[key] += int(line.split()[-1])
                    after_call = False
                elif line.startswith('summary: '):
                    self.total = int(line.split()[1])
        assert self.total == sum(self.own.values()), f'{path} misread'

    def subtract(self, other):
        self.own.subtract(other.own)
        self.calls.subtract(other.calls)
        self.total -= other.total

    @property
    def sha256(self):
        """Instructions within the block function, that is hashing itself.
        libcrypto's symbol table does not name it."""
        return sum(self.own[callee] for callee in {
            callee for (_, caller), callees in self._callees.items()
            if caller in ('SHA256_Update', 'SHA256_Final')
            for callee in callees
            if re.match('0x|sha256_block', callee[1])})

    def count(self, names):
        return sum(self.calls[name] for name in names)

    def functions(self, repeat, least=0.005):
        """The most expensive ones: (instructions of one, function,
        object)."""
        return [(n / repeat, function, os.path.basename(obj))
                for (obj, function), n in self.own.most_common()
                if n > least * self.total]


def bare(name):
    """Without the mark of a recursive call, and of a version."""
    return re.sub(r"'\d+$|@.*", '', name)


def measured(out, command, function):
    """What is executed within a function of a program, called once."""
    done = subprocess.run(
        [*TOOL, f'--callgrind-out-file={out}', f'--dump-before={function}',
         f'--dump-after={function}', *map(str, command)],
        capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'bench: {done.stderr}')
    return Profile(f'{out}.2')


def wrapper(out):
    """In front of an nginx that has no master process."""
    return *TOOL, f'--callgrind-out-file={out}', f'--dump-before={MARK}'


class Worker:
    """The only process of an nginx that was started with wrapper(out)."""

    def __init__(self, nginx, out):
        self.client, self.out, self.serial = nginx.connect(), out, 0
        self._mark()
        # a mark is half counted before it is written, half after
        self._marks = min((self._mark() for _ in range(3)),
                          key=lambda profile: profile.total)

    def _mark(self):
        r = self.client.request('/mark')
        assert r.status == 204, r
        self.serial += 1
        return Profile(f'{self.out}.{self.serial}')

    def profile(self):
        """Since the last call."""
        profile = self._mark()
        profile.subtract(self._marks)
        return profile
