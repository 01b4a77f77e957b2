"""Clients that leave in the middle: nothing leaks, and nobody else notices.

S3JOBS_LONG=1 for 10,000 requests instead of 1,500."""

import concurrent.futures
import os
import random
import re
import socket
import time

import pytest

from gateway import strict_json, told
from nginx import until
from s3control import ACCOUNT, REGION, Reply, make_jobs
from test_stream import memory
from wire import Client

LONG = bool(os.environ.get('S3JOBS_LONG'))
MODES = {
    'buffered': '',
    'unbuffered': 'proxy_buffering off;',
    'cached': 'proxy_cache one; '
              ' proxy_cache_valid 200 1s;',
    'pages': 's3jobs_max_pages 100;',
    'merge': 's3jobs_max_pages 100;',
}
MERGE = {'path': r'~ ^/of/\d$', 'server':
         'location = /jobs { s3jobs_merge /of/1 /of/2 /of/3; }'}


def gateway(s3, nginx, tmp_path, mode, **options):
    if mode in ('pages', 'merge'):
        s3.page = 20
    if mode == 'merge':
        options['server'] = MERGE['server'] + options.get('server', '')
        options['path'] = MERGE['path']
    return nginx(location=f's3jobs_json on; {MODES[mode]}'
                          's3jobs_json_buffer_size 8k;',
                 http=f'proxy_cache_path {tmp_path}/cache keys_zone=one:1m;',
                 **options)


def answers(s3, rnd):
    """All that S3 may answer, some of it slowly; pages for the most part,
    where there are some."""
    pages = [None] * 30 if s3.page < 1000 else []
    small = b''.join(s3.listing(s3.jobs()[:5]))
    large = b''.join(s3.listing(s3.jobs()))

    def reply(request):
        return rnd.choice([
            *pages, Reply(body=small), Reply(body=large), Reply(error='SlowDown'),
            Reply(body=large, framing='chunked', chunks=(rnd.randrange(
                50, 5000),)),
            Reply(body=large, cut=rnd.randrange(len(large))),
            Reply(body=small, drip=(100, 0.002)),
            Reply(body=large, drip=(4000, 0.002)),
            Reply(body=small[:-5]), Reply(error='AccessDenied', drip=(40,
                                                                      0.002)),
            Reply(body=small, delay=0.005)])
    return reply


def one(gw, seed):
    """One request; a third of them are left at some point."""
    rnd = random.Random(seed)
    target = '/jobs' if 's3jobs_max_pages' in gw.text \
        else f'/jobs?maxResults={rnd.randrange(1, 1000)}'
    if seed % 3:
        r = gw.get(target)
        assert r.status in (200, 403, 502, 503), r
        if r.status != 200:
            told(r, json=True)
        elif r.complete:
            strict_json(r.body)
        return
    with Client(gw.port) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(f'GET {target} HTTP/1.1\r\nHost: x\r\n\r\n')
        time.sleep(rnd.choice([0, 0, 0.001, 0.005, 0.02]))
        if rnd.random() < 0.5:
            client.sock.recv(rnd.choice([1, 100, 10000]))
        if rnd.random() < 0.5:
            client.abort()


def storm(gw, first, last, threads=8):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda seed: one(gw, seed), range(first, last)):
            pass


@pytest.mark.parametrize('mode', MODES)
def test_aborts(s3, nginx, tmp_path, mode):
    gw = gateway(s3, nginx, tmp_path, mode, level='warn', server='location /status'
                 ' { stub_status; }')
    s3.set_jobs(ACCOUNT, make_jobs(ACCOUNT, REGION, 300))
    s3.always(answers(s3, random.Random(mode)))
    n = (10000 if LONG else 1500) // len(MODES)
    storm(gw, 0, n // 2)
    before = memory(gw, 'VmRSS')
    storm(gw, n // 2, n)

    # all are gone, but the one that asks
    until(lambda: 'Active connections: 1 ' in gw.get('/status').text,
          'end of the connections')
    assert memory(gw, 'VmRSS') - before < 1024
    s3.reset()
    assert strict_json(gw.get('/jobs').body)['Jobs']


@pytest.mark.parametrize('mode', MODES)
def test_valgrind(s3, nginx, tmp_path, mode):
    """No block that the module asked for is lost, and no bad access of it."""
    report = tmp_path / 'valgrind'
    report.mkdir(mode=0o777)
    # preloaded, libxml2 stays when nginx unloads the module, and with it the
    # pointers to what it allocates once for the process
    gw = gateway(s3, nginx, tmp_path, mode, level='warn', master=False,
                 env={'LD_PRELOAD': 'libxml2.so.2'}, wrapper=[
        '/usr/bin/valgrind', '--leak-check=full', '--show-leak-kinds=definite',
        '--keep-debuginfo=yes', '--num-callers=30',
        f'--log-file={report}/%p'])
    s3.set_jobs(ACCOUNT, make_jobs(ACCOUNT, REGION, 100))
    s3.always(answers(s3, random.Random(mode)))
    storm(gw, 0, 300 if LONG else 60, 4)
    worker = gw.master
    assert gw.stop()

    text = (report / str(worker)).read_text()
    assert 'ERROR SUMMARY' in text, text
    # what the configuration allocates lives as long as the process
    ours = [block for block in re.split(r'==\d+== *\n', text)[1:]
            if ('s3jobs' in block or 'libxml2' in block)
            and 'ngx_init_cycle' not in block]
    assert not ours, '\n'.join(ours)
