"""Refresh goes on whatever happens to the processes."""

import contextlib
import os
import shutil
import threading
import time

import pytest

from credentials import (LOG_FORMAT, changes, good, late, load, locations,
                         rotate, source)
from nginx import alive, until
from providers import ROLE, Agent, Fault, Imds, Sts, held

# seconds that a process may take for a fetch, as refresh.c has it
LEASE = 30


def gateway(nginx, agent, **options):
    return nginx(**{'sources': source('ops', 'container', uri=agent.uri),
                    'level': 'notice', 'log_format': LOG_FORMAT, **options})


def test_killed_in_a_fetch(s3, nginx, clock):
    """The respawned worker goes on, and nobody waits for a lease."""
    s3.skew = 7200
    with Agent(s3) as agent:
        gw = gateway(nginx, agent, clock=clock, workers=2)
        gw.expect('exited on signal 9')
        good([gw.get()])
        answer = threading.Event()
        agent.fault = held(answer)
        clock.advance(3600 - 240)
        agent.wait_for(2)
        first, second = gw.workers()
        gw.signal('KILL', first)        # the first one started is worker 0
        killed = time.time()
        agent.fault = None
        agent.wait_for(3)
        assert agent.calls()[2].time < killed + LEASE
        answer.set()
        until(lambda: changes(gw, 'ops')[1:], 'second set')
        with load(gw, '/jobs') as answers:
            rotate(gw, clock, agent)
        good(answers['/jobs'])
        assert len(gw.workers()) == 2 and first not in gw.workers()
        # the other one is no refresher, alive or dead
        gw.signal('KILL', second)
        until(lambda: len(gw.workers()) == 2 and second not in gw.workers(),
              what='a new worker')
        rotate(gw, clock, agent)
        good([gw.get()])
        gw.expect('shared memory zone .* was locked')


def test_reload_in_a_fetch(s3, nginx, clock):
    """Neither a second call nor a gap."""
    s3.skew = 7200
    with Agent(s3) as agent:
        gw = gateway(nginx, agent, clock=clock, workers=2, level='debug')
        good([gw.get()])
        answer = threading.Event()
        agent.fault = held(answer)
        with load(gw, '/jobs') as answers:
            clock.advance(3600 - 240)
            agent.wait_for(2)
            gw.reload()
            agent.fault = None
            answer.set()
            until(lambda: changes(gw, 'ops')[1:], 'second set')
            rotate(gw, clock, agent)
        good(answers['/jobs'])
        # the old worker's fetch was cut off or finished, never doubled
        assert len(agent.calls()) == len(agent.issued) <= 4 + late(gw)
        assert not [r for r in s3.requests if r.verdict]


def test_slow_service_at_exit(s3, nginx):
    """No open socket is left, and nginx ends at once."""
    with Agent(s3) as agent, Imds(s3) as imds, Sts(s3) as sts:
        for server in agent, imds, sts:
            server.fault = Fault(never=True)
        gw = gateway(nginx, agent, workers=2, sources=source(
            'ops', 'container', uri=agent.uri)
            + source('imds', 'imds', endpoint=imds.url)
            + source('role', 'assume_role', role_arn=ROLE, endpoint=sts.url,
                     **{'from': 'base'}) + source('base', 'env'))
        for server in agent, imds, sts:
            server.wait_for(1, kind=None)
        assert gw.stop()
        assert 'open socket' not in gw.log()
        # which STS has ten seconds for
        assert not late(gw, 'role')
        for server in agent, imds, sts:
            server.release()


def test_sixty_reloads(s3, nginx, clock):
    s3.skew = 7200
    with Agent(s3) as agent:
        gw = gateway(nginx, agent, clock=clock, workers=2)
        pids = set()
        with load(gw, '/jobs') as answers:
            for n in range(60):
                if n % 15 == 14:
                    until(lambda: s3.requests[-1].key_id
                          == agent.issued[-1].key_id, 'use of the last ones')
                    clock.advance(3600 - 240)
                gw.reload()
                pids |= {*gw.workers()}
            rotate(gw, clock, agent)
        count = good(answers['/jobs'])
        assert len(pids) == 120
        used = {r.key_id for r in s3.requests}
        assert len(used) > 3 and len(s3.requests) == count
        assert not [r for r in s3.requests if r.verdict]
        # one call for each set, whoever made it
        assert len(agent.calls()) <= len(agent.issued) + 2
        assert len({it[1] for it in changes(gw, 'ops')}) \
            >= len(agent.issued) - 2


def test_binary_upgrade(s3, nginx, clock):
    """The new master has a zone of its own."""
    s3.skew = 7200
    with Agent(s3) as agent:
        gw = gateway(nginx, agent, clock=clock, workers=2, daemon=True,
                     env={'AWS_CONTAINER_CREDENTIALS_FULL_URI': agent.uri},
                     sources=source('ops', 'container'),
                     main='env AWS_CONTAINER_CREDENTIALS_FULL_URI;')
        good([gw.get()])
        old = gw.master
        with load(gw, '/jobs') as answers:
            gw.upgrade()
            until(lambda: len(agent.issued) == 2, 'the new zone')
            rotate(gw, clock, agent)
        good(answers['/jobs'])
        assert gw.master != old and not alive(old)
        assert not [r for r in s3.requests if r.verdict]


@pytest.mark.parametrize('options', [
    {'workers': 1}, {'master': False}], ids=['one worker', 'no master'])
def test_one_process(s3, nginx, clock, options):
    s3.skew = 7200
    with Agent(s3) as agent:
        gw = gateway(nginx, agent, clock=clock, **options)
        good([gw.get()])
        with load(gw, '/jobs', threads=1) as answers:
            for n in 2, 3:
                rotate(gw, clock, agent)
                until(lambda: s3.requests[-1].key_id
                      == agent.issued[-1].key_id, 'use of the new ones')
        good(answers['/jobs'])
        assert len(agent.calls()) == len(agent.issued)
        if 'master' in options:
            # not supported, yet no crash: the old sources end with the cycle
            agent.fault = Fault(delay=0.3)
            gw.signal('HUP')
            gw.wait_log('reconfiguring')
            time.sleep(1)
            assert alive(gw.master)


def test_cache_manager(s3, nginx, clock, tmp_path):
    """It runs init_process as worker 0 does, and must not refresh."""
    cache = tmp_path / 'cache'
    cache.mkdir(mode=0o777)
    with Agent(s3) as agent:
        gw = gateway(
            nginx, agent, clock=clock, workers=2, level='debug',
            http=f'proxy_cache_path {cache} keys_zone=c:1m inactive=1d;',
            location='proxy_cache c; proxy_cache_lock on;'
            ' proxy_cache_valid 200 1d;')
        # the other worker may be asked before the first has filed it
        good([gw.get() for _ in range(3)])
        for n in 2, 3:
            rotate(gw, clock, agent)
            until(lambda: len(changes(gw, 'ops')) == n, 'new credentials')
        good([gw.get()])
        assert len(s3.requests) == 1
        assert len(agent.calls()) == len(agent.issued)
        refreshers = {line.split('#')[0].rsplit(' ', 1)[1]
                      for line in gw.log().splitlines()
                      if 's3jobs credentials "ops" from container' in line}
        assert refreshers == {str(gw.workers()[0])}
        # nothing of a key in a cache file
        for path in cache.rglob('*'):
            if path.is_file():
                text = path.read_bytes().decode('latin-1')
                assert not [it for it in agent.issued
                            if it.secret in text or it.token in text]


def test_sixty_four_records(s3, nginx):
    """Sources come and go with reloads; the zone's size stays."""
    with Agent(s3) as agent:
        gw = gateway(nginx, agent, workers=1)
        good([gw.get()])
        for turn in range(4):
            names = [f's{turn}x{i}' for i in range(31)]
            gw.reload(sources=source('ops', 'container', uri=agent.uri)
                      + ''.join(source(n, 'env') for n in names),
                      server=locations(*names[:1]))
            good([gw.get('/' + names[0]), gw.get()])
        assert len(agent.calls()) == 1
        code, text = nginx.check(sources=''.join(
            source(f's{i}', 'env') for i in range(33)))
        assert code and 'too many "s3jobs_credentials_source"' in text


def memory(pid):
    """All that a process can write to, region by region."""
    with open(f'/proc/{pid}/maps') as maps, \
            open(f'/proc/{pid}/mem', 'rb', 0) as mem:
        for line in maps:
            area, mode = line.split()[:2]
            if mode.startswith('rw'):
                start, end = (int(x, 16) for x in area.split('-'))
                with contextlib.suppress(OSError, ValueError):
                    mem.seek(start)
                    yield mem.read(end - start)


def found(pid, text):
    return sum(part.count(text.encode()) for part in memory(pid))


@pytest.mark.skipif(os.geteuid() != 0, reason='reads the memory of others')
def test_memory(s3, nginx, clock, tmp_path, certificates):
    """Once replaced, a secret is in no process; TLS and all."""
    tls = certificates('localhost')
    path = tmp_path / 'credentials'
    nginx.credentials(path, '[default]\naws_access_key_id = AKIDONE\n'
                      'aws_secret_access_key = tHeSeCrEtOfThEfIlE\n')
    s3.key('AKIDONE', 'tHeSeCrEtOfThEfIlE')
    s3.key('AKIDTWO', 'tHeNeXtSeCrEtOfIt')
    with Agent(s3, tls=tls) as agent, Imds(s3) as imds, \
            Sts(s3, tls=tls) as sts:
        local = agent.url.replace('127.0.0.1', 'localhost') + agent.path
        gw = nginx(clock=clock, workers=2, user='nobody nogroup',
                   env={'AWS_CA_BUNDLE': tls.ca}, sources=source('ops', 'container', uri=local)
                   + source('imds', 'imds', endpoint=imds.url)
                   + source('file', 'file', path=path)
                   + source('role', 'assume_role', role_arn=ROLE,
                            endpoint=sts.url.replace('127.0.0.1',
                                                     'localhost'),
                            **{'from': 'imds'}),
                   server=locations('imds', 'role', 'file'))
        names = 'jobs', 'imds', 'role', 'file'
        pids = [gw.master, *gw.workers()]
        servers = agent, imds, sts

        def search(*texts):
            """How often in each process, when more requests were answered."""
            good([gw.get('/' + name) for name in names])
            return [[found(pid, text) for pid in pids] for text in texts]

        good([gw.get('/' + name) for name in names])
        first = [server.issued[0] for server in servers]
        # where the search has to find it: in the zone, which all share
        for it in first:
            assert found(gw.master, it.secret) == 1
            until(lambda: all(search(it.token)[0]), 'use in both workers')
        assert found(gw.master, 'tHeSeCrEtOfThEfIlE') == 1
        new = tmp_path / 'new'
        nginx.credentials(new, '[default]\naws_access_key_id = AKIDTWO\n'
                          'aws_secret_access_key = tHeNeXtSeCrEtOfIt\n')
        shutil.move(new, path)
        clock.advance(3600 - 240)
        for name in 'ops', 'imds', 'role', 'file':
            until(lambda: len(changes(gw, name)) > 1, 'rotation')
        secrets = [it.secret for it in first] + ['tHeSeCrEtOfThEfIlE']
        until(lambda: search(*secrets) == [[0, 0, 0]] * 4,
              'end of the old secrets')
