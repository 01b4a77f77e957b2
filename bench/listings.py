"""The documents that are measured: listings as S3 Control sends them, every
field in every entry, some 620 bytes each; and the same with something that
the API does not have today."""

from s3control import ACCOUNT, REGION, STATUSES, S3Control, make_jobs

SIZES = 1, 100, 1000

DESCRIPTIONS = ('Copy of the archive of 2019 to the new bucket, batch {}',
                'Restore <2019> & "2020" from Glacier Flexible, part {}',
                'Umzug der Protokolle nach München, Teil {} von 5000',
                'ACL fix; ticket #47{}, a=b&c=d, see the manifest')
TOKEN = 'AAMA-EFRSURBSGhEcGxkUGRXN0pPRlZQa1hFdz09' * 2

# unusual documents, by name: what is replaced in each entry by what, and
# what a job then has
UNUSUAL = {
    'attributes': ('<Status>', '<Status lang="en">', lambda job: job),
    'references': ('<Description>', '<Description>caf&#xE9; ', lambda job: {
        **job, 'Description': 'café ' + job['Description']}),
    'container': ('<Status>', '<Tags><Tag><Key>team</Key></Tag></Tags>'
                  '<Status>', lambda job: {
                      **job, 'Tags': {'Tag': {'Key': 'team'}}}),
}


def jobs(n):
    """n jobs with all their fields."""
    for i, job in enumerate(make_jobs(ACCOUNT, REGION, n)):
        yield {'JobId': job['JobId'],
               'Description': DESCRIPTIONS[i % 4].format(i),
               'Operation': job['Operation'],
               'Priority': job['Priority'],
               'Status': STATUSES[i % 13],
               'CreationTime': job['CreationTime'],
               'TerminationDate': job['CreationTime'],
               'ProgressSummary': {
                   'TotalNumberOfTasks': 1500000 + i,
                   'NumberOfTasksSucceeded': 1400000 + i,
                   'NumberOfTasksFailed': 100000,
                   'Timers': {'ElapsedTimeInActiveSeconds': 86400 + i}}}


def expected(n, name='jobs'):
    """The listing as the AWS CLI prints it."""
    changed = UNUSUAL[name][2] if name in UNUSUAL else lambda job: job
    return {'Jobs': [*map(changed, jobs(n))], 'NextToken': TOKEN}


def document(n, name='jobs'):
    with S3Control() as s3:
        text = b''.join(s3.listing(jobs(n), TOKEN)).decode()
    if name in UNUSUAL:
        plain, unusual, _ = UNUSUAL[name]
        assert text.count(plain) == n
        text = text.replace(plain, unusual)
    return text.encode()


def write(directory, sizes=SIZES, unusual_size=None):
    """jobs-N.xml for each size, and the unusual ones; returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, n in [*(('jobs', n) for n in sizes),
                    *((name, unusual_size) for name in UNUSUAL
                      if unusual_size)]:
        paths.append(directory / f'{name}-{n}.xml')
        paths[-1].write_bytes(document(n, name))
    return paths
