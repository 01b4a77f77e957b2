"""XML to JSON against botocore's parser and a model on Python's own.

t/unit/listing_driver.c converts, t/corpus has the documents.  What is known
of a job must be what botocore makes of the same XML; all of the JSON must be
what a model says that is written here, on expat, without a look at the C.

The parser works in blocks of 4 kB, so that splits of the input alone would
show little: padding moves every byte of every document to such a border.

S3JOBS_LONG=1 for 10,000 documents of hypothesis instead of 200.
"""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
import xml.parsers.expat

import botocore.loaders
import botocore.model
import botocore.parsers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nginx import ROOT, made

CORPUS = ROOT / 't' / 'corpus'
GOOD = sorted((CORPUS / 'good').iterdir())
BAD = sorted((CORPUS / 'bad').iterdir())
BLOCK = 4096
MEGABYTE = 1 << 20
BROKEN = -5
EXAMPLES = settings(
    max_examples=10000 if os.environ.get('S3JOBS_LONG') else 200,
    deadline=None, suppress_health_check=list(HealthCheck))


class Driver:
    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def __call__(self, document, mode='whole', n=0):
        """(code, bytes, memory)"""
        self.process.stdin.write(b'%s %d %d\n' % (mode.encode(), n,
                                                  len(document)) + document)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read().decode()
        code, length, memory = map(int, line.split())
        return code, self.process.stdout.read(length), memory

    def good(self, document, *how):
        code, answer, _ = self(document, *how)
        assert code == 0, (how, answer, document)
        return answer

    def bad(self, document, *how):
        """What had been written and the reason, of a broken document."""
        code, answer, _ = self(document, *how)
        assert code == BROKEN, (how, code, answer, document)
        written, reason = answer.split(b'\0')
        with pytest.raises(ValueError):
            json.loads(written)
        assert reason and b'\n' not in reason and reason.isascii()
        return written, reason.decode()

    def repeat(self, head, middle, times, tail):
        return self(b'\0'.join([head, middle, tail]), 'repeat', times)


@pytest.fixture(scope='module')
def path():
    return made('unit/listing_driver')


@contextlib.contextmanager
def running(*command):
    driver = Driver(*command)
    yield driver
    out, err = driver.process.communicate(timeout=300)
    assert (driver.process.returncode, out, err) == (0, b'', b'')


@pytest.fixture(scope='module')
def driver(path):
    with running(path) as driver:
        yield driver


@pytest.fixture(scope='module')
def job_driver(path):
    with running(path, 'job') as driver:
        yield driver


# ---- what is right

MODEL = botocore.model.ServiceModel(
    botocore.loaders.Loader().load_service_model('s3control', 'service-2'),
    's3control')
SHAPE = MODEL.operation_model('ListJobs').output_shape
JOB_SHAPE = MODEL.operation_model('DescribeJob').output_shape
PARSER = botocore.parsers.ResponseParserFactory()
PARSER.set_parser_defaults(timestamp_parser=str)
PARSER = PARSER.create_parser('rest-xml')


class Broken(Exception):
    pass


def local(element):
    return element.tag.rpartition('}')[2]


def number(text):
    text = text.strip(' \t\r\n')
    if not re.fullmatch(r'(-?(0|[1-9][0-9]*))?', text, re.ASCII):
        raise Broken(text)
    return text and Number(text)


class Number(str):
    """As it is written; known in JSON by having been no string there."""


STRINGS = {name: str for name in 'JobId Description Operation Status '
           'CreationTime TerminationDate'.split()}
JOB = dict(STRINGS, Priority=number, ProgressSummary=dict(
    TotalNumberOfTasks=number, NumberOfTasksSucceeded=number,
    NumberOfTasksFailed=number,
    Timers=dict(ElapsedTimeInActiveSeconds=number)))


def text(element):
    return element.text or ''


def unknown(element):
    if len(element) == 0:
        return text(element)
    if local(element[0]) == 'member':
        return [unknown(child) for child in element]
    return structure(element, {})


def structure(element, known):
    made = {}
    seen = set()
    for child in element:
        name = local(child)
        if name in seen:
            continue
        seen.add(name)
        kind = known.get(name)
        if kind is None:
            made[name] = unknown(child)
        elif isinstance(kind, dict):
            made[name] = structure(child, kind)
        elif len(child):
            raise Broken(name)
        elif kind is str:
            made[name] = text(child)
        elif number(text(child)):
            made[name] = number(text(child))
    return made


def model(document):
    root = ElementTree.fromstring(document)
    names = [local(child) for child in root]
    if local(root) != 'ListJobsResult' or names.count('Jobs') > 1:
        raise Broken
    tokens = [child for child in root if local(child) == 'NextToken']
    jobs = [job for child in root if local(child) == 'Jobs' for job in child]
    others = ElementTree.Element('x')
    others.extend(child for child in root
                  if local(child) not in ('Jobs', 'NextToken'))
    made = {'Jobs': [structure(job, JOB) for job in jobs],
            **structure(others, {})}
    if tokens:
        if len(tokens[0]):
            raise Broken
        made['NextToken'] = text(tokens[0])
    return made


def read(answer):
    """JSON with numbers as they are written, and no name twice."""
    def pairs(pairs):
        assert len(dict(pairs)) == len(pairs), answer
        return dict(pairs)
    made = json.loads(answer.decode('utf-8', 'strict'), parse_int=Number,
                      parse_float=Number, object_pairs_hook=pairs)
    assert not re.search(rb'[\x00-\x1f\x7f]|\xe2\x80[\xa8\xa9]', answer)
    return made


def typed(value):
    """So that 1 and "1" differ, and the order counts."""
    if isinstance(value, dict):
        return [(name, typed(value)) for name, value in value.items()]
    if isinstance(value, list):
        return ['list', *map(typed, value)]
    return type(value).__name__, str(value)


def from_botocore(document):
    """What botocore reads, with numbers as Number."""
    root = ElementTree.fromstring(document)
    removed = []

    def clean(element, known):
        """It aggregates siblings of a name, and cannot read empty numbers."""
        seen = set()
        for child in list(element):
            name = local(child)
            kind = known.get(name)
            if name in seen or (kind is number and not text(child).strip()):
                element.remove(child)
                removed.append(child)
            elif isinstance(kind, dict):
                clean(child, kind)
            seen.add(name)

    clean(root, {})
    for jobs in root.findall('{*}Jobs'):
        for job in jobs:
            clean(job, JOB)
    if removed:
        document = ElementTree.tostring(root, 'utf-8').replace(b'\r',
                                                               b'&#13;')
    parsed = PARSER.parse({'status_code': 200, 'headers': {},
                           'body': document}, SHAPE)
    parsed.pop('ResponseMetadata', None)

    def numbers(value):
        if isinstance(value, dict):
            return {name: numbers(value) for name, value in value.items()}
        if isinstance(value, list):
            return [numbers(value) for value in value]
        return Number(value) if isinstance(value, int) else value

    return numbers(parsed)


def only_known(made):
    def select(value, known):
        return {name: select(value[name], kind)
                if isinstance(kind, dict) else value[name]
                for name, kind in known.items() if name in value}
    known = {name: made[name] for name in ('Jobs', 'NextToken')
             if name in made}
    known['Jobs'] = [select(job, JOB) for job in made['Jobs']]
    return known


def check(answer, document):
    made = read(answer)
    assert list(made)[0] == 'Jobs' and isinstance(made['Jobs'], list)
    assert 'NextToken' not in made or list(made)[-1] == 'NextToken'
    assert typed(made) == typed(model(document))
    expected = from_botocore(document)
    expected.setdefault('Jobs', [])

    def normal(value):
        if isinstance(value, Number) and value.strip('-0') == '':
            return Number(0)        # botocore reads -0 as 0
        if isinstance(value, dict):
            return {name: normal(value) for name, value in value.items()}
        return [normal(v) for v in value] if isinstance(value, list) else value

    assert normal(only_known(made)) == normal(expected)


def padded(document, upto=None):
    """The document with each of its bytes in turn the first of a block."""
    start = 3 if document.startswith(b'\xef\xbb\xbf') else 0
    if document.startswith(b'<?xml ', start):
        start = document.index(b'?>') + 2
    for n in range(start, upto or len(document)):
        pad = BLOCK - 7 - n % BLOCK
        if pad < 0:
            pad += BLOCK
        yield document[:start] + b'<!--' + pad * b'x' + b'-->' + \
            document[start:]


def well_formed(document):
    try:
        ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError, LookupError):
        return False
    return True


# ---- good documents

def test_corpus_size():
    assert len(GOOD) >= 40 and len(BAD) >= 40


@pytest.mark.parametrize('file', GOOD, ids=lambda file: file.stem)
def test_good(driver, file):
    document = file.read_bytes()
    assert len(document) <= 10240
    answer = driver.good(document, 'all')
    check(answer, document)
    for moved in padded(document):
        assert driver.good(moved) == answer


@pytest.mark.parametrize('file', GOOD, ids=lambda file: file.stem)
def test_truncated(driver, file):
    document = file.read_bytes()
    for n in range(len(document)):
        if well_formed(document[:n]):
            assert document[n:].strip() == b'' or n > document.index(b'</L')
        else:
            driver.bad(document[:n])


def page(jobs, indent=False):
    entries = []
    for i in range(jobs):
        entries.append('\n  '.join([
            '<member>', f'<JobId>{i:08x}-0000-4000-8000-{i:012x}</JobId>',
            f'<Description>Copy number {i} &amp; more \u20ac</Description>',
            '<Operation>S3PutObjectCopy</Operation>',
            f'<Priority>{i % 20}</Priority>', '<ProgressSummary>',
            f'<TotalNumberOfTasks>{i * 1000}</TotalNumberOfTasks>',
            f'<NumberOfTasksFailed>{i}</NumberOfTasksFailed>', '<Timers>',
            f'<ElapsedTimeInActiveSeconds>{i}</ElapsedTimeInActiveSeconds>',
            '</Timers>', '</ProgressSummary>', '<Status>Complete</Status>',
            '<CreationTime>2026-01-02T03:04:05.678Z</CreationTime>',
            '</member>']))
    text = '\n'.join(entries)
    if not indent:
        text = re.sub(r'\n *', '', text)
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<ListJobsResult><Jobs>'
            f'{text}</Jobs><NextToken>t</NextToken></ListJobsResult>'
            ).encode()


@pytest.mark.parametrize('indent', [False, True])
@pytest.mark.parametrize('jobs', [0, 1, 1000])
def test_page(driver, jobs, indent):
    document = page(jobs, indent)
    answer = driver.good(document)
    check(answer, document)
    for n in (1, 7, 1000, 4095, 4096, 4097, 65536):
        assert driver.good(document, 'step', n) == answer
    rng = random.Random(jobs)
    for _ in range(10):
        assert driver.good(document, 'split',
                           rng.randrange(len(document))) == answer
        assert driver.good(document, 'random', rng.getrandbits(30)) == answer


def test_memory_does_not_grow(driver):
    entry = page(1).split(b'<Jobs>')[1].split(b'</Jobs>')[0]
    head, tail = b'<ListJobsResult><Jobs>', b'</Jobs></ListJobsResult>'
    code, _, small = driver.repeat(head, entry, 1000, tail)
    assert code == 0
    code, _, large = driver.repeat(head, entry, 100000, tail)
    assert code == 0
    assert 0 < small <= large < small + 4096
    assert large < 96 * 1024


# ---- broken documents

@pytest.mark.parametrize('file', BAD, ids=lambda file: file.name)
def test_bad(driver, file):
    document = file.read_bytes()
    written, reason = driver.bad(document, 'all')
    start = document[:200]
    if document.startswith((b'<', b' <')) and b'encoding' not in start \
            and b'?>' not in start and b'\0' not in start:
        for moved in padded(document, min(len(document), 600)):
            driver.bad(moved)


def test_bad_is_bad(driver):
    """A document of the corpus that expat takes must be refused by a rule."""
    for file in BAD:
        document = file.read_bytes()
        if not well_formed(document):
            continue
        try:
            model(document)
        except Broken:
            continue
        assert file.name.startswith((
            'doctype', 'entity', 'billion', 'quadratic', 'xinclude', 'utf-',
            'latin1', 'windows', 'shift', 'ebcdic', 'encoding', 'name-colon',
            'name-long', 'deep', 'token-long', 'declaration-version-2'
        )), file.name


# head, middle, times, tail; none of them is ever in memory as a whole
HOSTILE = {
    'depth': (b'', b'<a>', 100000, b''),
    'depth inside': (b'<ListJobsResult>', b'<a>', 100000, b''),
    'text': (b'<ListJobsResult><Jobs><member><JobId>', b'x' * 4096, 12800,
             b'</JobId></member></Jobs></ListJobsResult>'),
    'text of unknown': (b'<ListJobsResult><Jobs><member><A>', b'x' * 4096,
                        12800, b'</A></member></Jobs></ListJobsResult>'),
    'text of a number': (b'<ListJobsResult><Jobs><member><Priority>',
                         b'1' * 4096, 12800,
                         b'</Priority></member></Jobs></ListJobsResult>'),
    'spaces of a number': (b'<ListJobsResult><Jobs><member><Priority>',
                           b' ' * 4096, 12800,
                           b'</Priority></member></Jobs></ListJobsResult>'),
    'token': (b'<ListJobsResult><NextToken>', b'x' * 4096, 12800,
              b'</NextToken></ListJobsResult>'),
    'cdata': (b'<ListJobsResult><NextToken><![CDATA[', b'x' * 4096, 12800,
              b']]></NextToken></ListJobsResult>'),
    'attributes': (b'<ListJobsResult', b" a='1'", 1000000, b'/>'),
    'attribute': (b"<ListJobsResult a='", b'x' * 4096, 12800, b"'/>"),
    'namespaces': (b'<ListJobsResult', b" xmlns:a='1'", 1000000, b'/>'),
    'tag': (b'<', b'x' * 4096, 12800, b'/>'),
    'tag of spaces': (b'<ListJobsResult', b' ' * 4096, 12800, b'/>'),
    'end tag': (b'<ListJobsResult></ListJobsResult', b' ' * 4096, 12800,
                b'>'),
    'comment': (b'<!--', b'x' * 4096, 12800, b'--><ListJobsResult/>'),
    'instruction': (b'<?x ', b'x' * 4096, 12800, b'?><ListJobsResult/>'),
    'declaration': (b'<?xml ', b' ' * 4096, 12800, b'?><ListJobsResult/>'),
    'doctype': (b'<!DOCTYPE a [', b'<!ENTITY x "y">' * 100, 12800,
                b']><ListJobsResult/>'),
    'reference': (b'<ListJobsResult>&', b'x' * 4096, 12800,
                  b';</ListJobsResult>'),
    'character reference': (b'<ListJobsResult>&#', b'0' * 4096, 12800,
                            b'65;</ListJobsResult>'),
    'entry': (b'<ListJobsResult><Jobs><member><A><member/>',
              b'<x>1234</x>' * 100, 100000,
              b'</A></member></Jobs></ListJobsResult>'),
    'rest': (b'<ListJobsResult><A><member/>', b'<x>1234</x>' * 100, 100000,
             b'</A></ListJobsResult>'),
    'not XML': (b'', b'x' * 4096, 12800, b''),
    'zeros': (b'', b'\x01' * 4096, 12800, b''),
}


@pytest.mark.parametrize('name', HOSTILE)
def test_hostile(driver, name):
    code, answer, memory = driver.repeat(*HOSTILE[name])
    assert code == BROKEN, answer
    assert memory < MEGABYTE


def names(start, count):
    return b''.join(b'<n%06x/>' % n for n in range(start, start + count))


def test_hostile_names(driver):
    """Different names, which libxml2 never forgets."""
    for wrap in (b'%s', b'<a>%s</a>'):
        document = (b'<ListJobsResult><Jobs>' + b''.join(
            b'<member>' + wrap % names(200 * n, 200) + b'</member>'
            for n in range(1000)) + b'</Jobs></ListJobsResult>')
        code, _, memory = driver.repeat(document, b'', 0, b'')
        assert code == BROKEN
        assert memory < MEGABYTE


@pytest.mark.skipif(not shutil.which('strace'), reason='no strace')
def test_no_file_and_no_network(path, tmp_path):
    """Once it runs, whatever it reads."""
    documents = [file.read_bytes() for file in BAD + GOOD]
    requests = b''.join(b'whole 0 %d\n' % len(document) + document
                        for document in documents)
    log = tmp_path / 'strace'
    done = subprocess.run(
        ['strace', '-f', '-qq', '-e', 'trace=%file,%network,read', '-o',
         str(log), path], input=requests, capture_output=True, timeout=300,
        env=dict(os.environ, ASAN_OPTIONS='detect_leaks=0'))
    assert done.returncode == 0 and done.stderr == b'', done.stderr
    assert done.stdout.count(b'{"Jobs":[') >= len(GOOD)
    lines = log.read_text(errors='replace').splitlines()
    first = next(i for i, line in enumerate(lines) if ' read(0, ' in line)
    assert [line for line in lines[first:]
            if not re.search(r' read\(|\+\+\+|fstatat\(1, ""', line)] == []


# ---- documents of hypothesis

@st.composite
def escaped(draw, alphabet):
    """A text and one of the ways to write it in XML."""
    out = []
    for piece in draw(st.lists(st.text(alphabet, max_size=8), max_size=4)):
        how = draw(st.sampled_from(['plain', 'cdata', 'numbers', 'comment']))
        if how == 'cdata' and ']]>' not in piece and '\r' not in piece:
            out.append(f'<![CDATA[{piece}]]>')
        elif how == 'numbers':
            out.extend(f'&#{ord(c)};' if ord(c) % 2 else f'&#x{ord(c):x};'
                       for c in piece)
        else:
            out.append(piece.replace('&', '&amp;').replace('<', '&lt;')
                       .replace('>', '&gt;'))
            if how == 'comment':
                out.append('<!-- x --><?x y?>')
    return ''.join(out)


CHARACTERS = st.one_of(
    st.characters(blacklist_categories=['Cs', 'Cc'],
                  blacklist_characters='\ufffe\uffff'),
    st.sampled_from('\t\n\r <>&"\'\\/]\x7f\x80\u2028\u2029\ufffd\U0001f600'))
TEXT = escaped(CHARACTERS)
SPACE = st.sampled_from(['', '', '', '\n', '\r\n  ', ' <!-- --> ', '<?p?>'])
INTEGER = st.one_of(
    st.integers(-10, 10 ** 25).map(str), st.integers(0, 9).map(str),
    st.sampled_from(['', ' 1 ', '\n', '-0', '01', '+1', '1.0', 'x', '-',
                     '1<!-- -->2', '&#49;', '<![CDATA[3]]>', '1<x/>']))
GOOD_INTEGER = st.integers(-10, 10 ** 25).map(str)
UNKNOWN = st.sampled_from(['A', 'B', 'member', 'Größe', 'p:A', 'x:member',
                           'jobId', 'Jobs', 'Priority', 'NextToken'])


@st.composite
def element(draw, name, content):
    attributes = draw(st.sampled_from(['', '', '', ' a="1"', " b='&lt;' c=''",
                                       '\n']))
    content = draw(content)
    if content == '' and draw(st.booleans()):
        return f'<{name}{attributes}/>'
    return f'<{name}{attributes}>{content}</{name}>'


@st.composite
def many(draw, children, size=6):
    out = []
    for child in draw(st.lists(children, max_size=size)):
        out += [draw(SPACE), child]
    return ''.join(out) + draw(SPACE)


def named(strategy, content):
    return strategy.flatmap(lambda name: element(name, content))


ANY = st.recursive(named(UNKNOWN, TEXT),
                   lambda inner: named(UNKNOWN, many(inner)), max_leaves=8)


def job(integer):
    strings = named(st.sampled_from(sorted(STRINGS)), TEXT)
    timers = element('Timers', many(st.one_of(
        element('ElapsedTimeInActiveSeconds', integer), ANY), 2))
    progress = element('ProgressSummary', many(st.one_of(
        named(st.sampled_from(['TotalNumberOfTasks', 'NumberOfTasksFailed',
                               'NumberOfTasksSucceeded']), integer),
        timers, ANY)))
    return named(st.sampled_from(['member', 'JobListDescriptor', 'p:member']),
                 many(st.one_of(strings, strings,
                                element('Priority', integer), progress, ANY),
                      10))


TOKEN = element('NextToken', TEXT)


@st.composite
def listings(draw):
    integer = INTEGER if draw(st.integers(0, 3)) == 0 else GOOD_INTEGER
    parts = draw(st.lists(st.one_of(TOKEN, ANY), max_size=3))
    if draw(st.integers(0, 9)):
        parts.append(draw(element('Jobs', many(job(integer), 4))))
    parts = draw(st.permutations(parts))
    start = draw(st.sampled_from(
        ['', '', '\ufeff', '<?xml version="1.0" encoding="UTF-8"?>\n',
         '<!-- x -->', '<?xml version="1.0"?>']))
    space = draw(SPACE)
    return (f'{start}<ListJobsResult xmlns:p="u" xmlns:x="v">'
            f'{space.join(parts)}</ListJobsResult>{draw(SPACE)}').encode()


@EXAMPLES
@given(listings(), st.integers(0, 1 << 30), st.integers(0, BLOCK))
def test_hypothesis(driver, document, seed, pad):
    try:
        model(document)
    except Broken:
        driver.bad(document)
        driver.bad(document, 'random', seed)
        return
    answer = driver.good(document)
    check(answer, document)
    assert driver.good(document, 'step', 1) == answer
    assert driver.good(document, 'random', seed) == answer
    assert driver.good(document, 'split', seed % (len(document) + 1)) == \
        answer
    end = document.rindex(b'</ListJobsResult>')
    moved = document.replace(b'xmlns:p', b' ' * pad + b'xmlns:p', 1)
    assert driver.good(moved) == answer
    driver.bad(document[:seed % end])


@EXAMPLES
@given(listings(), st.lists(st.tuples(
    st.integers(0, 1 << 20), st.integers(0, 3),
    st.sampled_from([b'', b'<', b'>', b'&', b';', b'/', b'"', b'\0', b'\xff',
                     b'\xc3', b']]>', b'<!--', b'-->', b'<![CDATA[', b'<?',
                     b'<a>', b'</a>', b'&lt;', b'&#0;', b'x', b'=']))),
    st.integers(0, 1 << 30))
def test_hypothesis_mangled(driver, document, edits, seed):
    """What expat refuses is broken, and how it comes makes no difference."""
    for where, length, what in edits:
        where %= len(document) + 1
        document = document[:where] + what + document[where + length:]
    first = driver(document)
    assert driver(document, 'random', seed) == first
    assert driver(document, 'step', 1) == first
    if first[0]:
        driver.bad(document)
    else:
        # without namespaces: a prefix need not be declared
        xml.parsers.expat.ParserCreate().Parse(document, True)
    if well_formed(document):
        if first[0]:
            # expat takes other versions, Python other encodings
            if not re.match(rb'(\xef\xbb\xbf)?(<\?xml version="1.0"'
                            rb'( encoding="UTF-8")?\?>|(?!<\?xml))',
                            document):
                return
            with pytest.raises(Broken):
                model(document)
        else:
            check(first[1], document)


# ---- DescribeJob, as botocore's model describes it

SAMPLES = ['', 'a', 'Bucket & <more> "q" \\ \u20ac\U0001f600\x7f\u2028',
           '2026-01-02T03:04:05.678Z', ' two\n lines ', 'true', '42']


def escape(rng, text):
    return ''.join(f'&#{ord(c)};' if c in '\r\n' or rng.random() < .02 else
                   {'&': '&amp;', '<': '&lt;', '>': '&gt;'}.get(c, c)
                   for c in text)


def generate(rng, shape, name, full):
    """An element of the shape, its children in any order, some left out."""
    content = ''
    kind = shape.type_name
    space = rng.choice(['', '', '\n  '])
    if kind == 'structure':
        members = list(shape.members.items())
        rng.shuffle(members)
        if name == 'Operation' or shape.is_tagged_union:
            members = members[:1]
        elif not full:
            members = [m for m in members if rng.random() < .7]
        content = space.join(
            generate(rng, member, member.serialization.get('name', key), full)
            for key, member in members)
    elif kind == 'list':
        content = space.join(
            generate(rng, shape.member,
                     shape.member.serialization.get('name', 'member'), full)
            for _ in range(rng.choice([0, 1, 3])))
    elif kind == 'map':
        for n in range(rng.choice([0, 1, 3])):
            pair = [f'<key>{n}{escape(rng, rng.choice(SAMPLES))}</key>',
                    f'<value>{escape(rng, rng.choice(SAMPLES))}</value>']
            content += f'<entry>{space.join(pair)}</entry>'
    elif kind == 'boolean':
        content = rng.choice(['true', 'false'])
    elif kind in ('integer', 'long'):
        content = str(rng.choice([0, 7, -1, 2 ** 31 - 1, 2 ** 63 - 1]))
    else:
        content = escape(rng, rng.choice(SAMPLES))
    return f'<{name}>{content}</{name}>' if content or rng.random() < .5 \
        else f'<{name}/>'


def leaves(shape, path=()):
    """The path and type of all that is no string in the model."""
    kind = shape.type_name
    if kind == 'structure':
        for name, member in shape.members.items():
            yield from leaves(member, path + (name,))
    elif kind == 'list':
        yield path, 'list'
        yield from leaves(shape.member, path + (0,))
    elif kind in ('map', 'boolean', 'integer', 'long'):
        yield path, kind


def kinds(value, shape, path=()):
    """The paths and types of what is no string in a value of the model."""
    if shape.type_name == 'structure':
        for name, child in value.items():
            yield from kinds(child, shape.members[name], path + (name,))
    elif isinstance(value, dict):
        yield path, 'map'
    elif isinstance(value, list):
        yield path, 'list'
        for child in value:
            yield from kinds(child, shape.member, path + (0,))
    elif isinstance(value, (bool, Number)):
        yield path, 'boolean' if value in (True, False) else 'number'


def test_describe_job(job_driver):
    """200 jobs of botocore's service model; each of its types is met."""
    met = set()
    for seed in range(200):
        rng = random.Random(seed)
        document = ('<?xml version="1.0" encoding="UTF-8"?>\n'
                    '<DescribeJobResult xmlns="u">' + generate(
                        rng, JOB_SHAPE.members['Job'], 'Job', seed % 2)
                    + '</DescribeJobResult>').encode()
        answer = job_driver.good(document)
        for how in ('step', 1), ('step', 7), ('random', seed):
            assert job_driver.good(document, *how) == answer
        made = read(answer)
        expected = PARSER.parse({'status_code': 200, 'headers': {},
                                 'body': document}, JOB_SHAPE)
        del expected['ResponseMetadata']
        assert plain(made) == plain(expected), document
        met |= set(kinds(made, JOB_SHAPE))
    wanted = {(path, 'number' if kind in ('integer', 'long') else kind)
              for path, kind in leaves(JOB_SHAPE)}
    assert wanted and wanted <= met


def plain(value):
    """With types told apart, and numbers by their digits."""
    if isinstance(value, dict):
        return {name: plain(child) for name, child in value.items()}
    if isinstance(value, list):
        return [plain(child) for child in value]
    if isinstance(value, (Number, int)) and not isinstance(value, bool):
        return 'number', str(value)
    return type(value), value


@pytest.mark.parametrize('document', [
    b'<DescribeJobResult/>', b'<ListJobsResult><Jobs/></ListJobsResult>',
    b'<DescribeJobResult><Job/><Job/></DescribeJobResult>',
    b'<DescribeJobResult><Job><Priority>x</Priority></Job>'
    b'</DescribeJobResult>',
    b'<DescribeJobResult><Job><ConfirmationRequired>yes'
    b'</ConfirmationRequired></Job></DescribeJobResult>',
    b'<DescribeJobResult><Job>'])
def test_describe_job_broken(job_driver, document):
    job_driver.bad(document, 'all')
