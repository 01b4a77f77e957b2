#!/usr/bin/python3
"""make demo: a private nginx with the module in front of the stand-in, or of
the real S3 Control; through it one listing, page by page, as JSON, and that of
three accounts in one answer."""

import argparse
import contextlib
import errno
import os
import re
import signal
import sys
import urllib.parse

from botocore.session import Session

import fleet
from jobs import make_jobs
from nginx import DEFAULTS, ROOT, Nginx, location
from s3control import ACCOUNT, KEY, REGION, SECRET, S3Control

PREFIX = ROOT / 'build/demo'
PORT = 8080
JOBS = 12
PAGE = 5
CA = '/etc/ssl/certs/ca-certificates.crt'

# the page: accounts by profile, of which the last one cannot be read; a key
# is its profile's name, a secret is long enough to be one
EXAMPLE = ROOT / 'conf-examples/dashboard.conf'
PROFILES = {'prod': ACCOUNT, 'dev': '210987654321', 'lab': '000000000042'}
FLEETS = {(ACCOUNT, 'eu-west-1'): 1200, (ACCOUNT, 'us-east-1'): 40,
          ('210987654321', 'us-east-1'): 25}

# three accounts, each in a region, in one answer
MERGED = {(ACCOUNT, 'eu-west-1'): 5, ('210987654321', 'us-east-1'): 4,
          ('000000000042', 'ap-south-1'): 3}
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


def show(jobs, columns=COLUMNS):
    rows = [columns, *([str(job.get(c, '-')) for c in columns]
                       for job in jobs)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print('  '.join(map(str.ljust, row, widths)).rstrip())


def example(gateway, path, query):
    """What somebody who tries it sees; was it a listing?"""
    r = gateway.get(f'/{path}?{query}')
    print(f"\n$ curl '{url(gateway, path)}?{query}'\n{r.text}")
    return r.status == 200


def url(gateway, path='jobs'):
    return f'http://127.0.0.1:{gateway.port}/{path}'


def merged():
    """Lines for a location with all listings of MERGED, and for these."""
    path = '/all/{}/{}'
    return 'location = /all { s3jobs_merge' + ''.join(
        ' ' + path.format(*where) for where in MERGED) + '; }' + ''.join(
        location({**DEFAULTS, 'path': '= ' + path.format(account, region),
                  'account': account, 'region': region,
                  'location': 'internal; s3jobs_max_pages 100;'})
        for account, region in MERGED)


def show_merged(s3, gateway):
    """All jobs of several accounts in one answer; were these all of them?"""
    for (account, region), n in MERGED.items():
        s3.set_jobs(account, make_jobs(account, region, n), region)
    r = gateway.get('/all')
    if r.status != 200 or not r.complete:
        sys.exit(f'demo: no listing of all: {r}\n{gateway.log()}')
    document = r.json()
    print(f"""
All jobs of three accounts in one answer, {url(gateway, 'all')}
""")
    show(document['Jobs'], ('AccountId', 'Region', *COLUMNS[:3]))
    example(gateway, 'all', 'jobStatuses=Active')
    return list(document) == ['Jobs'] and all(
        [{**job, 'AccountId': account, 'Region': region}
         for job in s3.jobs(account, region)]
        == [job for job in document['Jobs']
            if (job['AccountId'], job['Region']) == (account, region)]
        for account, region in MERGED)


def page_of_example(upstream):
    """The http and server lines of dashboard.conf, with other addresses and
    paths, and below /dashboard/."""
    http, server = re.search(r'^http \{\n(.*)^    server \{\n(.*)^    \}\n\}',
                             EXAMPLE.read_text(), re.M | re.S).groups()
    for old, new in {
            r'(server +)\d+\.s3-control\.[a-z0-9.-]+:443': rf'\g<1>{upstream}',
            r'/etc/nginx/aws': f'{PREFIX}/aws',
            r'/var/lib/nginx/s3jobs': f'{PREFIX}/cache'}.items():
        http = re.sub(old, new, http)
    for old, new in {
            r'listen .*;': '',
            r'location / ': 'location /dashboard/ ',
            r'/usr/share/nginx-s3jobs/dashboard': str(ROOT),
            r'/jobs\b': '/dashboard/jobs',
            r'https://': 'http://'}.items():
        server = re.sub(old, new, server)
    return {'http': http, 'server': server}


def page_of_listing(account, region, proxy_pass='https://s3control'):
    """The page on one listing, that of the standard location."""
    headers = re.findall(r'^ *add_header.*;$', EXAMPLE.read_text(), re.M)
    shared = {**DEFAULTS, 'account': account, 'region': region,
              'proxy_pass': proxy_pass}
    return '\n'.join((
        *headers, f'location /dashboard/ {{ root {ROOT}; }}',
        location({**shared, 'path': '= /dashboard/jobs', 'location':
                  's3jobs_json on; s3jobs_max_pages 100;'}),
        location({**shared, 'path': '~ ^/dashboard/jobs/(?<job>[^/]+)$',
                  'location': 's3jobs_json on; s3jobs_job $job;'})))


@contextlib.contextmanager
def accounts():
    """Another stand-in, with what the page shows: (its port, a function that
    says whether a gateway gives all of it)."""
    with S3Control(jobs=0) as s3:
        text = ''
        for profile, account in PROFILES.items():
            secret = f'{profile}-secret-0123456789abcdef'
            s3.key(profile, secret, accounts=(account,))
            text += (f'[{profile}]\naws_access_key_id = {profile}\n'
                     f'aws_secret_access_key = {secret}\n')
        s3.keys['lab'].accounts = ()
        fleet.command(s3, FLEETS)
        PREFIX.mkdir(parents=True, exist_ok=True)
        path = PREFIX / 'aws'
        path.touch(0o600)
        path.write_text(text)

        def complete(gateway):
            r = gateway.get('/dashboard/jobs')
            return (r.status == 200
                    and len(r.json()['Jobs']) == sum(FLEETS.values())
                    and [gap['AccountId'] for gap in r.json()['Incomplete']]
                    == [PROFILES['lab']])
        yield s3.port, complete


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
the page is         {url(gateway, 'dashboard/')}
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
    with S3Control(jobs=JOBS) as s3, accounts() as (port, complete):
        page = page_of_example(f'127.0.0.1:{port}')
        page['server'] += merged()
        with started(f'127.0.0.1:{s3.port}', ACCOUNT, REGION, {
                'AWS_ACCESS_KEY_ID': KEY, 'AWS_SECRET_ACCESS_KEY': SECRET},
                **page) as gateway:
            jobs, pages = fetch(gateway, PAGE)
            show(jobs)
            asked = pages \
                + example(gateway, 'jobs', 'jobStatuses=Active&maxResults=1') \
                + example(gateway, 'jobs', 'jobStatuses=Nonsense')
            all_there = show_merged(s3, gateway)
            asked += 2 * len(MERGED)
            good = sum(r.verdict is None for r in s3.requests)
            print(f"""
{len(jobs)} of {JOBS} jobs in {pages} pages, and those of three accounts in\
 one answer, through
nginx from a stand-in for S3 Control, which derived {good} of {asked}\
 signatures anew
with botocore and found them good.""")
            yield jobs == s3.jobs() and good == asked == len(s3.requests) \
                and all_there and complete(gateway)


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
                 server=page_of_listing(account, region),
                 http='include /etc/nginx/mime.types;'
                      f'proxy_ssl_trusted_certificate {CA};') as gateway:
        jobs, pages = fetch(gateway, 1000)
        show(jobs)
        example(gateway, 'jobs', 'maxResults=1')
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
