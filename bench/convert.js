// A listing from XML to JSON in njs, for the front "njs JSON".

const NUMBERS = ['Priority', 'TotalNumberOfTasks', 'NumberOfTasksSucceeded',
                 'NumberOfTasksFailed', 'ElapsedTimeInActiveSeconds'];
const ENTITIES = {lt: '<', gt: '>', quot: '"', apos: "'", amp: '&'};

// each request has a copy of it
let text = '';

function unescape(s) {
    return s.indexOf('&') < 0 ? s
        : s.replace(/&(lt|gt|quot|apos|amp);/g, (m, name) => ENTITIES[name]);
}

function convert(xml) {
    const tag = /<(\/?)([A-Za-z]+)[^>]*>([^<]*)/g;
    const stack = [{}];
    let match, leaf = false;

    while ((match = tag.exec(xml)) !== null) {
        const name = match[2];

        if (!match[1]) {
            const made = name == 'Jobs' ? [] : {};
            made.$text = unescape(match[3]);
            stack.push(made);
            leaf = true;
            continue;
        }

        let value = stack.pop();
        const content = value.$text;
        const parent = stack[stack.length - 1];

        if (leaf) {
            value = NUMBERS.indexOf(name) < 0 ? content : Number(content);

        } else {
            delete value.$text;
        }

        if (Array.isArray(parent)) {
            parent.push(value);

        } else {
            parent[name] = value;
        }

        leaf = false;
    }

    return JSON.stringify(stack[0].ListJobsResult);
}

function header(r) {
    delete r.headersOut['Content-Length'];
    r.headersOut['Content-Type'] = 'application/json';
}

function body(r, data, flags) {
    text += data;

    if (flags.last) {
        r.sendBuffer(convert(text), flags);
    }
}

export default {header, body};
