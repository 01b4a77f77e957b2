// The rows.  Only those near the window are in the document, each at its own
// height, so that 10,000 cost no more than 50.  A row belongs to the key of a
// job and is written anew only if that job is another one than before.

import {about, brief, count, done, duration, NONE, put, rate, setFailed,
        setTime} from './text.js';

const AROUND = 12;              // rows above and below the window
const PRINTED = 2000;

const table = document.getElementById('jobs');
const body = table.tBodies[0];
const template = document.getElementById('row').content.firstElementChild;

const rows = new Map();         // by key
let jobs = [], index = new Map(), current = null, printing = false;

function fill(row, job)
{
    const [status, description, operation, account, region, priority, created,
           ended, progress, failed, elapsed, left] = row.cells;
    const link = description.firstChild;

    row.job = job;
    row.dataset.status = job.trouble && job.status === 'Complete' ? 'Partly'
                         : job.status;
    put(status.firstChild, job.status || NONE);
    put(status.lastChild, job.trouble);
    link.href = '?' + new URLSearchParams({job: job.key});
    link.title = job.description;
    link.classList.toggle('none', !job.name);
    put(link.firstChild, job.name || job.id || NONE);
    put(operation, job.operation);
    operation.title = job.id;
    put(account, job.account);
    put(region, job.region);
    put(priority, String(job.priority ?? ''));
    setTime(created.firstChild, job.fields.CreationTime, job.created);
    setTime(ended.firstChild, job.fields.TerminationDate, job.ended);
    fillProgress(progress, job);
    put(failed, job.remaining !== null && job.failure === null ? '–'
                : rate(job.failure));
    failed.classList.toggle('some', job.failed > 0n);
    put(elapsed, duration(job.elapsed));
    for (const cell of [failed, elapsed]) {
        cell.classList.toggle('none', cell.textContent === NONE);
    }
    put(left, job.left === null ? '' : `${about(job.left)} left`);
}

function tasks(job, word)
{
    return `${word(job.succeeded ?? 0n)} succeeded, ${word(job.failed ?? 0n)}`
           + ` failed, ${word(job.remaining)} remaining`;
}

function fillProgress(cell, job)
{
    const [bar, percent, text] = cell.children;
    const known = job.progress !== null;

    bar.hidden = !known;
    bar.value = job.progress ?? 0;
    setFailed(bar, job);
    put(percent, done(job.progress));
    percent.classList.toggle('none', !known);
    put(text, known ? tasks(job, brief) : '');
    text.title = known ? `${tasks(job, count)} of ${count(job.total)}` : '';
}

function focused()
{
    return document.activeElement?.closest('#jobs tbody tr') ?? null;
}

// The indices that belong into the document, in order.
function wanted()
{
    if (printing) {
        return [...jobs.slice(0, PRINTED).keys()];
    }
    const height = rowHeight(), top = -body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / height) - AROUND);
    const last = Math.min(jobs.length, AROUND
                          + Math.ceil((top + innerHeight) / height));
    const list = [];
    for (let i = first; i < last; i++) {
        list.push(i);
    }
    const held = index.get(focused()?.job.key);
    if (held < first) {
        list.unshift(held);
    } else if (held >= last) {
        list.push(held);
    }
    return list;
}

function rowHeight()
{
    return body.rows[0]?.getBoundingClientRect().height || 44;
}

// A change of the layout: the row of this key, or what is in the window, stays
// where it is.
export function hold(key, change)
{
    const row = rows.get(key) ?? anchorRow();
    const top = row?.getBoundingClientRect().top;

    change();
    if (row) {
        scrollBy(0, row.getBoundingClientRect().top - top);
        draw();
    }
}

// changed: mark the rows that it changes
export function draw(changed = false)
{
    const list = wanted();
    const keys = new Set(list.map(i => jobs[i].key));

    for (const [key, row] of rows) {
        if (!keys.has(key)) {
            row.remove();
            rows.delete(key);
        }
    }

    let next = null;
    for (const i of list.reverse()) {
        const job = jobs[i];
        let row = rows.get(job.key);
        if (!row) {
            row = template.cloneNode(true);
            rows.set(job.key, row);
            if (job.key === current) {
                row.ariaCurrent = 'true';
            }
        }
        if (row.job !== job) {
            row.classList.toggle('changed', changed && !!row.job);
            fill(row, job);
        }
        if (row.i !== i) {
            row.i = i;
            row.ariaRowIndex = i + 2;
            row.style.setProperty('--i', i);
        }
        if (!row.parentNode || row.nextSibling !== next) {
            insert(row, next);
        }
        next = row;
    }
}

function insert(row, next)
{
    if (row.parentNode && body.moveBefore) {
        body.moveBefore(row, next);         // keeps focus and selection
        return;
    }
    const active = row.contains(document.activeElement)
                   && document.activeElement;
    body.insertBefore(row, next);
    if (active) {
        active.focus({preventScroll: true});
    }
}

// What to show.  still: a refresh; what is in the window stays where it is.
export function show(list, still)
{
    const anchor = still ? anchorRow() : null;
    const focus = focused();

    jobs = list;
    index = new Map(list.map((job, i) => [job.key, i]));
    table.ariaRowCount = list.length + 1;
    body.style.setProperty('--rows', list.length);

    const top = body.getBoundingClientRect().top;
    if (anchor && index.has(anchor.job.key)) {
        scrollBy(0, (index.get(anchor.job.key) - anchor.i) * rowHeight());
    } else if (!still && top < 0) {
        document.documentElement.scrollTop = 0;
    }

    const lost = focus && !index.has(focus.job.key) ? focus.i : -1;
    draw(still);
    if (lost >= 0) {
        go(Math.min(lost, list.length - 1));
    }
}

// The first row that is whole below the header, once that has been reached.
function anchorRow()
{
    const edge = table.tHead.getBoundingClientRect().bottom;
    if (body.getBoundingClientRect().top >= edge) {
        return null;
    }
    return [...body.rows].find(
        row => row.getBoundingClientRect().top >= edge) ?? null;
}

// The row whose job is in the drawer; returns which it was.
export function select(key)
{
    const before = current;

    current = key;
    for (const [row, value] of [[rows.get(before), null],
                                [rows.get(key), 'true']]) {
        if (row) {
            row.ariaCurrent = value;
        }
    }
    return before;
}

// To the row with this index: into the window and focused.
function go(i)
{
    if (!jobs[i]) {
        return;
    }
    const edge = table.tHead.getBoundingClientRect().bottom;
    const y = body.getBoundingClientRect().top + i * rowHeight();
    const below = y + rowHeight() - innerHeight;
    if (y < edge) {
        scrollBy(0, y - edge);
    } else if (below > 0) {
        scrollBy(0, below);
    }
    draw();
    rows.get(jobs[i].key).querySelector('a').focus({preventScroll: true});
}

export function focusRow(key)
{
    go(index.get(key) ?? -1);
}

const MOVES = {
    ArrowDown: i => i + 1,
    ArrowUp: i => i - 1,
    PageDown: i => i + pageRows(),
    PageUp: i => i - pageRows(),
    Home: () => 0,
    End: () => jobs.length - 1,
};

function pageRows()
{
    return Math.max(1, Math.floor(innerHeight / rowHeight()) - 4);
}

// open: called with the key of a job
export function start(open)
{
    let frame = 0;
    const later = () => {
        frame ||= requestAnimationFrame(() => {
            frame = 0;
            draw();
        });
    };

    addEventListener('scroll', later, {passive: true});
    new ResizeObserver(later).observe(document.documentElement);
    addEventListener('beforeprint', () => {
        printing = true;
        draw();
    });
    addEventListener('afterprint', () => {
        printing = false;
        draw();
    });

    body.addEventListener('animationend', event =>
        event.target.classList.remove('changed'));
    body.addEventListener('keydown', event => {
        const row = focused(), move = MOVES[event.key];
        if (row && move && !event.altKey && !event.ctrlKey && !event.metaKey) {
            event.preventDefault();
            go(Math.max(0, Math.min(jobs.length - 1, move(row.i))));
        }
    });
    body.addEventListener('click', event => {
        const row = event.target.closest('tr');
        if (event.ctrlKey || event.metaKey || event.shiftKey || !row
            || !event.target.closest('a') && !getSelection().isCollapsed) {
            return;
        }
        event.preventDefault();
        open(row.job.key);
    });
}
