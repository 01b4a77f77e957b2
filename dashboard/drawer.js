// One job, as DescribeJob tells it; until that is there, as the listing does.

import {describe, jobUrl, Problem} from './api.js';
import {ENDED, Job, same} from './job.js';
import {about, count, done, duration, NONE, rate, setFailed, setTime}
    from './text.js';

const dialog = document.getElementById('job');
const facts = document.getElementById('facts');
const narrow = matchMedia('(max-width: 69rem)');

const CONSOLES = {
    'aws': 'console.aws.amazon.com',
    'aws-cn': 'console.amazonaws.cn',
    'aws-us-gov': 'console.amazonaws-us-gov.com',
    'aws-eusc': 'console.amazonaws-eusc.eu',
};

let key = null;             // of the job in it
let asking = null;          // the key for which S3 is asked
let shown = null;           // what S3 has said
let noted = false;          // above it is what went wrong since

function h(tag, ...children)
{
    const element = document.createElement(tag);
    element.append(...children.filter(child => child || child === 0));
    return element;
}

function time(text)
{
    const element = h('time'), ms = Date.parse(text);
    setTime(element, text, Number.isNaN(ms) ? null : ms, true);
    return element;
}

function pairs(list)
{
    return h('dl', ...list.filter(([, value]) => value).map(
        ([name, value]) => h('div', h('dt', name), h('dd', value))));
}

// Any value that S3 may send.
function tree(value)
{
    if (Array.isArray(value)) {
        return value.some(item => typeof item === 'object')
               ? h('ul', ...value.map(item => h('li', tree(item))))
               : value.join(', ') || 'none';
    }
    if (value && typeof value === 'object') {
        return pairs(Object.entries(value).map(
            ([name, item]) => [name, tree(item)]));
    }
    return h('bdi', String(value ?? ''));
}

function section(title, ...content)
{
    return content.some(Boolean) && h('section', h('h3', title), ...content);
}

// arn:aws:s3:::bucket/key, as tools want it
function s3(arn, ...path)
{
    return arn && h('bdi', 's3://' + [arn.replace(/^arn:[\w-]+:s3:::/, ''),
        ...path].filter(Boolean).join('/'));
}

function reasons(fields)
{
    const list = (fields.FailureReasons ?? []).map(({FailureCode,
        FailureReason}) => h('li', h('b', FailureCode), ' ',
                             h('bdi', FailureReason ?? '')));
    if (fields.SuspendedCause) {
        list.push(h('li', h('b', 'Suspended'), ' ',
                    h('bdi', fields.SuspendedCause)));
    }
    if (fields.Status === 'Suspended' && fields.ConfirmationRequired) {
        list.push(h('li', 'It runs when somebody confirms it: in the AWS'
            + ' console, or by update-job-status of the AWS CLI.'));
    }
    if (fields.StatusUpdateReason) {
        list.push(h('li', h('b', 'Status update'), ' ',
                    h('bdi', fields.StatusUpdateReason)));
    }
    return list.length && h('ul', ...list);
}

function progress(job)
{
    const bar = h('progress');
    bar.value = job.progress ?? 0;
    bar.ariaLabel = 'Progress';
    setFailed(bar, job);
    return [job.progress !== null && bar, pairs([
        ['Done', done(job.progress)],
        ['Succeeded', count(job.succeeded)],
        ['Failed', job.failure === null ? count(job.failed)
                   : `${count(job.failed)} (${rate(job.failure)})`],
        ['Remaining', count(job.remaining)],
        ['Total', count(job.total)],
        ['Active for', duration(job.elapsed)],
        ['Time left', job.left !== null && `about ${about(job.left)}`],
    ])];
}

function timeline(fields)
{
    return pairs([['Created', fields.CreationTime],
                  ['Suspended', fields.SuspendedDate],
                  ['Ended', fields.TerminationDate]]
        .sort((a, b) => Date.parse(a[1]) - Date.parse(b[1]))
        .map(([name, text]) => [name, text && time(text)]));
}

function manifest({Location, Spec} = {})
{
    return Location && [s3(Location.ObjectArn), pairs([
        ['Format', Spec?.Format], ['Fields', Spec?.Fields?.join(', ')],
        ['Version', Location.ObjectVersionId], ['ETag', Location.ETag]])];
}

function report(report, id)
{
    return report && (report.Enabled === false ? 'disabled' : [
        s3(report.Bucket, report.Prefix, `job-${id}/`), pairs([
            ['Scope', report.ReportScope], ['Format', report.Format],
            ['Bucket owner', report.ExpectedBucketOwner]])]);
}

// what has its place above, or below under another name
const KNOWN = new Set(['JobId', 'Description', 'Status', 'StatusUpdateReason',
    'SuspendedCause', 'SuspendedDate', 'ConfirmationRequired', 'CreationTime',
    'TerminationDate', 'ProgressSummary', 'FailureReasons', 'Manifest',
    'Operation', 'Report', 'ManifestGenerator', 'GeneratedManifestDescriptor',
    'Priority', 'RoleArn', 'JobArn', 'AccountId', 'Region']);

function fill(job, note)
{
    const f = job.fields;
    const why = reasons(f);
    const alert = why && h('section', h('h3', 'Why'), why);
    const settings = typeof f.Operation === 'object'
                     && Object.values(f.Operation)[0];

    if (alert) {
        alert.className = job.status === 'Suspended' ? 'notice'
                                                     : 'notice bad';
    }
    const old = [...facts.children], sections = [
        note,
        alert,
        section('Progress', ...progress(job)),
        section('Timeline', timeline(f)),
        section('Operation', job.operation,
                settings && Object.keys(settings).length > 0
                && tree(settings)),
        section('Manifest', ...[manifest(f.Manifest)].flat(),
                f.ManifestGenerator && tree(f.ManifestGenerator)),
        section('Generated manifest', f.GeneratedManifestDescriptor
                && tree(f.GeneratedManifestDescriptor)),
        section('Report', ...[report(f.Report, job.id)].flat()),
        section('Job', pairs([
            ['Priority', job.priority === null ? NONE : count(job.priority)],
            ['Role', f.RoleArn && h('bdi', f.RoleArn)],
            ['ARN', f.JobArn && h('bdi', f.JobArn)],
            ['Account', job.account], ['Region', job.region],
            ...Object.entries(f).filter(([name]) => !KNOWN.has(name))
                .map(([name, value]) => [name, tree(value)])])),
    ].filter(Boolean);

    // what says the same stays: somebody may have selected it
    sections.forEach((section, n) => {
        if (!old[n]) {
            facts.append(section);
        } else if (!old[n].isEqualNode(section)) {
            old[n].replaceWith(section);
        }
    });
    old.slice(sections.length).forEach(section => section.remove());
}

function head(job)
{
    const [status] = dialog.getElementsByClassName('status');
    const [, partition, region] = /^arn:([\w-]+):s3:([\w-]+):/
        .exec(job.fields.JobArn ?? '') ?? [];
    const link = document.getElementById('console');

    dialog.dataset.status = job.status;
    status.firstChild.textContent = job.status || NONE;
    status.lastChild.textContent = job.trouble;
    dialog.querySelector('h2 bdi').textContent = job.name || 'No description';
    dialog.querySelector('code').textContent = job.id;
    link.hidden = !CONSOLES[partition];
    if (!link.hidden) {
        link.href = `https://${region}.${CONSOLES[partition]}/s3/jobs/`
                    + `${encodeURIComponent(job.id)}?region=${region}`;
    }
    document.getElementById('json').href = jobUrl(key);
}

function put(job, note)
{
    if (!shown || note || noted || !same(shown.fields, job.fields)) {
        head(job);
        fill(job, note);
        noted = note !== null;
    }
}

function noteOf(problem, unknown)
{
    const note = h('section',
        h('p', h('b', problem.title), ' ', h('span', problem.message)),
        h('p', problem.advice),
        problem.requestId && h('p', `Request id ${problem.requestId}`));
    note.className = unknown ? 'notice bad' : 'notice';
    return note;
}

// What S3 says now; listed is the job as the listing has it, if it has.  Of
// a job that has ended nothing new is said.
export async function update(listed)
{
    if (asking === key || ENDED.has(shown?.status)) {
        return;
    }
    const asked = asking = key, at = key.lastIndexOf('/');
    const place = key.slice(0, Math.max(0, at));
    let job, note = null;

    dialog.ariaBusy = 'true';
    try {
        job = new Job(await describe(asked), place, asked);
    } catch (problem) {
        if (!(problem instanceof Problem)) {
            throw problem;
        }
        job = key === asked && shown || listed
              || new Job({JobId: asked.slice(at + 1)}, place, asked);
        note = noteOf(problem, !job.status);
    }
    if (key === asked) {
        asking = null;
        dialog.ariaBusy = 'false';
        put(job, note);
        shown = note ? shown : job;
    }
}

// To the job of this key, or closed by null.
export function open(next, listed)
{
    if (next === key) {
        return;
    }
    key = next;
    shown = asking = null;
    if (key === null) {
        dialog.close();
        return;
    }
    dialog.scrollTop = 0;
    if (listed) {
        put(listed, null);
    } else {
        head(new Job({JobId: key.split('/').at(-1)}, '', key));
        facts.replaceChildren(h('p', 'Loading …'));
    }
    if (!dialog.open) {
        if (narrow.matches) {
            dialog.showModal();
        } else {
            dialog.show();
        }
    }
    dialog.querySelector('h2').focus();
    update(listed);
}

async function copy()
{
    const code = dialog.querySelector('code'), button =
        document.getElementById('copy');
    let copied = true;
    try {
        await navigator.clipboard.writeText(code.textContent);
    } catch {                       // not over plain http, or not allowed
        getSelection().selectAllChildren(code);
        copied = document.execCommand('copy');
    }
    button.textContent = copied ? 'Copied' : 'Selected';
    setTimeout(() => {
        button.textContent = 'Copy id';
    }, 2000);
}

// close: called when the reader is done with it
export function start(close)
{
    document.getElementById('close').addEventListener('click', close);
    document.getElementById('copy').addEventListener('click', copy);
    dialog.addEventListener('cancel', event => {
        event.preventDefault();
        close();
    });
    narrow.addEventListener('change', () => {
        if (dialog.open) {
            dialog.close();
            dialog[narrow.matches ? 'showModal' : 'show']();
        }
    });
}
