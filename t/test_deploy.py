"""deploy/ against the schemas of those that read it, and an image."""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from nginx import ROOT

DEPLOY = ROOT / 'deploy'
yaml = pytest.importorskip('yaml', reason='Debian has it in python3-yaml')


# ECS

def complaints(task):
    shape = Session().get_service_model('ecs').operation_model(
        'RegisterTaskDefinition').input_shape
    return ParamValidator().validate(task, shape).generate_report()


def test_ecs_task():
    task = json.loads((DEPLOY / 'ecs-task.json').read_text())
    assert complaints(task) == ''
    [nginx] = task['containerDefinitions']
    ports = re.findall(r'listen (\d+);',
                       (ROOT / 'conf-examples/ecs.conf').read_text())
    assert [str(p['containerPort']) for p in nginx['portMappings']] == ports
    assert nginx['readonlyRootFilesystem'] and nginx['user'] == '33:33'
    # and what is wrong is found
    wrong = copy.deepcopy(task)
    wrong['containerDefinitions'][0]['portMappings'][0]['containerPort'] = 'x'
    assert 'Invalid type' in complaints(wrong)
    wrong = copy.deepcopy(task)
    wrong['containerDefinitions'][0]['readOnlyRootFilesystem'] = True
    assert 'Unknown parameter' in complaints(wrong)


# Kubernetes

MODELS = {'ServiceAccount': 'v1', 'Deployment': 'apps/v1', 'Service': 'v1',
          'PodDisruptionBudget': 'policy/v1'}


@pytest.fixture
def kubernetes(node_modules):
    """What the compiler of TypeScript says of objects, as literals of the
    types that kubernetes-models has: it knows all fields, and their types."""
    def validate(*objects):
        source = node_modules / 'objects.ts'
        source.write_text(''.join(
            f"import {{ I{kind} }} from 'kubernetes-models/{path}';\n"
            for kind, path in MODELS.items()) + ''.join(
            f'export const o{i}: I{o["kind"]} = {json.dumps(o)};\n'
            for i, o in enumerate(objects)))
        done = subprocess.run(
            ['node', 'node_modules/typescript/bin/tsc', '--noEmit', '--strict',
             '--skipLibCheck', '--module', 'node16', 'objects.ts'],
            cwd=node_modules, text=True, capture_output=True)
        return done.stdout
    return validate


def objects():
    return list(yaml.safe_load_all((DEPLOY / 'kubernetes.yaml').read_text()))


def test_kubernetes(kubernetes):
    found = objects()
    assert [o['kind'] for o in found] == ['ServiceAccount', 'Deployment',
                                          'Service', 'PodDisruptionBudget']
    assert kubernetes(*found) == ''
    # and what is wrong is found: a wrong type, an unknown field
    for path, value, said in (
            ('replicas', 'two', "Type 'string' is not assignable to type"),
            ('replica', 2, "does not exist in type 'IDeploymentSpec'")):
        wrong = objects()[1]
        wrong['spec'][path] = value
        assert said in kubernetes(wrong)


def test_kubernetes_and_the_example_agree():
    """Ports and paths of the probes are those of eks.conf, which needs no
    root and writes nowhere but below /tmp."""
    conf = (ROOT / 'conf-examples/eks.conf').read_text()
    _, deployment, service, budget = objects()
    pod = deployment['spec']['template']
    [nginx] = pod['spec']['containers']
    port, metrics = nginx['ports']
    for number in port['containerPort'], metrics['containerPort']:
        assert f'listen {number};' in conf
    assert pod['metadata']['annotations']['prometheus.io/port'] \
        == str(metrics['containerPort'])
    assert [p['targetPort'] for p in service['spec']['ports']] == [port['name']]
    for probe in 'readinessProbe', 'livenessProbe':
        assert f'location = {nginx[probe]["httpGet"]["path"]} {{' in conf
        assert nginx[probe]['httpGet']['port'] == port['name']
    assert 'user ' not in conf
    for o in service['spec']['selector'], budget['spec']['selector'][
            'matchLabels'], deployment['spec']['selector']['matchLabels']:
        assert o.items() <= pod['metadata']['labels'].items()
    mounts = {m['mountPath'] for m in nginx['volumeMounts']}
    assert mounts == {'/etc/nginx/nginx.conf', '/tmp'}
    written = re.findall(r'^\s*(?:pid|\w+_temp_path) +(/[^/]+)/', conf, re.M)
    assert written == ['/tmp'] * 6


# the image

def run(*command, **options):
    return subprocess.run(command, check=True, text=True, cwd=ROOT,
                          stdout=subprocess.PIPE, **options).stdout.strip()


@pytest.mark.skipif(not os.environ.get('S3JOBS_LONG'),
                    reason='an image takes minutes: with S3JOBS_LONG=1')
def test_image(tmp_path):
    """Built from a minimal Debian 13 made here; nginx -t in it, without root.
    S3's name is in its hosts file, since nothing is asked of the network; and
    what nginx says goes into a file: only Docker and its like give a user
    the pipes that /dev/stderr is."""
    if os.geteuid() or not (shutil.which('buildah')
                            and shutil.which('debootstrap')):
        pytest.skip('an image needs root, buildah and debootstrap')
    tree = pathlib.Path(os.environ.get('S3JOBS_TRIXIE') or tmp_path / 'trixie')
    if not tree.exists():
        run('debootstrap', '--variant=minbase', 'trixie', tree,
            'http://deb.debian.org/debian')
    try:
        base = run('buildah', 'from', 'scratch')
    except subprocess.CalledProcessError as e:
        pytest.skip(f'buildah cannot run here: {e}')
    run('buildah', 'add', '-q', base, tree, '/')
    run('buildah', 'commit', '-q', base, 's3jobs-test-base')
    run('buildah', 'build', '-q', '--isolation=chroot', '--network=host',
        '--build-arg', 'BASE=localhost/s3jobs-test-base', '-f',
        'deploy/Containerfile', '-t', 's3jobs-test', '.')
    name = re.search(r'server ([\w.-]+):443;',
                     (ROOT / 'conf-examples/ecs.conf').read_text())[1]
    made = run('buildah', 'from', '--add-host', f'{name}:127.0.0.1',
               'localhost/s3jobs-test')
    try:
        config = json.loads(run('buildah', 'inspect', made))['OCIv1']['config']
        assert config['User'] == '33:33' and config['Volumes'] == {'/tmp': {}}
        checked = run('buildah', 'run', '--isolation=chroot', made, 'sh', '-c',
                      'nginx -t > /tmp/said 2>&1; id -u; cat /tmp/said')
        assert checked.startswith('33\n') and 'is successful' in checked, \
            checked
    finally:
        run('buildah', 'rm', made, base)
        run('buildah', 'rmi', '-f', 's3jobs-test', 's3jobs-test-base')
