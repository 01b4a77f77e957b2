#!/usr/bin/python3
"""make demo: a private nginx with the module in front of the stand-in, or of
the real S3 Control; one listing through it, page by page, as JSON."""

import argparse
import contextlib
import errno
import os
import signal
import sys
import urllib.parse

from botocore.session import Session

from nginx import ROOT, Nginx
from s3control import ACCOUNT, KEY, REGION, SECRET, S3Control

PREFIX = ROOT / 'build/demo'
PORT = 8080
JOBS = 12
PAGE = 5
CA = '/etc/ssl/certs/ca-certificates.crt'
COLUMNS = ('JobId', 'Status', 'Operation', 'Priority', 'CreationTime')


def fetch(gateway, size):
    """All pages of this size: (jobs, number of pages)."""
    jobs, pages, token = [], 0, ''
    while token is not None:
        query = {'maxResults': size}
        if token:
            query['nextToken'] = token
        r = gateway.get('/jobs?' + urllib.parse.urlencode(query))
        if r.status != 200 or not r.complete:
            sys.exit(f'demo: no listing: {r}\n{gateway.log()}')
        page = r.json()
        jobs += page['Jobs']
        token = page.get('NextToken')
        pages += 1
    return jobs, pages


def show(jobs):
    rows = [COLUMNS, *([str(job.get(c, '-')) for c in COLUMNS]
                       for job in jobs)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print('  '.join(map(str.ljust, row, widths)).rstrip())


def example(gateway, query):
    """What somebody who tries it sees; was it a listing?"""
    r = gateway.get(f'/jobs?{query}')
    print(f"\n$ curl '{url(gateway)}?{query}'\n{r.text}")
    return r.status == 200


def url(gateway):
    return f'http://127.0.0.1:{gateway.port}/jobs'


@contextlib.contextmanager
def started(upstream, account, region, env, **options):
    for name in 'error.log', 'access.log', 'stderr.log':
        (PREFIX / name).unlink(missing_ok=True)
    for port in PORT, None:
        try:
            gateway = Nginx(PREFIX, upstream, port, env, account=account,
                            region=region, location='s3jobs_json on;',
                            **options)
            break
        except OSError as e:            # bound by another
            if not port or e.errno != errno.EADDRINUSE:
                raise
        except AssertionError as e:     # by another who came before nginx
            if not port or 'Address already in use' not in str(e):
                sys.exit(f'demo: {e}')
    if not port:
        print(f'Port {PORT} is taken, so it is {gateway.port} this time.')
    print(f"""
nginx listens on    {url(gateway)}
it signs for        account {account}, region {region}
its configuration   {PREFIX}/nginx.conf
""")
    try:
        yield gateway
    finally:
        gateway.stop()


@contextlib.contextmanager
def stand_in():
    """Complete and verified?"""
    with S3Control(jobs=JOBS) as s3, \
            started(f'127.0.0.1:{s3.port}', ACCOUNT, REGION, {
                'AWS_ACCESS_KEY_ID': KEY,
                'AWS_SECRET_ACCESS_KEY': SECRET}) as gateway:
        jobs, pages = fetch(gateway, PAGE)
        show(jobs)
        asked = pages + example(gateway, 'jobStatuses=Active&maxResults=1') \
            + example(gateway, 'jobStatuses=Nonsense')
        good = sum(r.verdict is None for r in s3.requests)
        print(f"""
{len(jobs)} of {JOBS} jobs in {pages} pages, through nginx from a stand-in for\
 S3 Control, which
derived {good} of {asked} signatures anew with botocore and found them good.\
""")
        yield jobs == s3.jobs() and good == asked == len(s3.requests)


@contextlib.contextmanager
def real(account, region):
    env = {name: os.environ.get(name) for name in
           ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY',
            'AWS_SESSION_TOKEN')}
    if not (env['AWS_ACCESS_KEY_ID'] and env['AWS_SECRET_ACCESS_KEY']):
        sys.exit('demo: S3JOBS_ACCOUNT and S3JOBS_REGION are set, but not'
                 ' AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
    endpoint = Session().create_client('s3control', region).meta.endpoint_url
    host = f'{account}.{urllib.parse.urlsplit(endpoint).hostname}'
    with started(f'{host}:443', account, region, env,
                 proxy_pass='https://s3control',
                 http=f'proxy_ssl_trusted_certificate {CA};') as gateway:
        jobs, pages = fetch(gateway, 1000)
        show(jobs)
        example(gateway, 'maxResults=1')
        print(f"""
{len(jobs)} jobs in {pages} pages, through nginx from {host},
which accepted every signature.""")
        yield True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--once', action='store_true',
                        help='exit after the listing, 0 if it was complete'
                             ' and its signatures were good')
    args = parser.parse_args()
    account, region = map(os.environ.get, ('S3JOBS_ACCOUNT', 'S3JOBS_REGION'))
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    try:
        with real(account, region) if account and region else stand_in() \
                as good:
            if not args.once:
                print('\nIt stays, to be tried, until Ctrl-C.', flush=True)
                signal.pause()
    except KeyboardInterrupt:
        sys.exit(0)
    if not good:
        sys.exit('demo: the listing was not complete, or a signature was not'
                 ' good')


if __name__ == '__main__':
    main()
