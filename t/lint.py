#!/usr/bin/python3
"""The style rules that a machine can check, on the *.c and *.h files of the
directories, or the files, that are given."""

import pathlib
import re
import sys

COLUMNS = 79
FUNCTION_LINES = 110
FILE_LINES = 700

# the parts of a file in which // or { mean nothing
OPAQUE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
                    r"|'(?:\\.|[^'\\\n])*'", re.S)
IMPURE = re.compile(r'\s*#\s*include\s*[<"](ngx_(?:http|event)\w*\.h)')
FUNCTION = re.compile(r'^\w[^;{}#=]*?(\w+)\([^;{}#]*\)(\s*)\{.*?\n\}',
                      re.M | re.S)


def blank(match):
    """As long as the match, with its lines, but of nothing."""
    return re.sub(r'[^\n]', 'x', match[0])


def of_lines(path, lines, code):
    for n, (line, bare) in enumerate(zip(lines, code), 1):
        if len(line) > COLUMNS:
            yield n, f'line of {len(line)} columns'
        if '\t' in line:
            yield n, 'tab'
        if line != line.rstrip():
            yield n, 'trailing blank'
        if '//' in bare:
            yield n, '// comment'
        if path.name.startswith('ngx_s3jobs_') and (m := IMPURE.match(line)):
            yield n, f'pure file includes {m[1]}'
    if len(lines) > FILE_LINES:
        yield len(lines), f'file of {len(lines)} lines'


def of_functions(code):
    for m in FUNCTION.finditer(code):
        n = code.count('\n', 0, m.start(1)) + 1
        length = code.count('\n', m.start(1), m.end()) + 1
        if m.start(1) and code[m.start(1) - 1] != '\n':
            yield n, f'return type and {m[1]}() on one line'
        if m[2] != '\n':
            yield n, f'opening brace of {m[1]}() not on its own line'
        if length > FUNCTION_LINES:
            yield n, f'function of {length} lines'


def check(path):
    text = path.read_text()
    code = OPAQUE.sub(blank, text)
    yield from of_lines(path, text.removesuffix('\n').split('\n'),
                        code.split('\n'))
    yield from of_functions(code)


def main():
    paths = [p for given in map(pathlib.Path, sys.argv[1:]) for p in
             (sorted(given.glob('*.[ch]')) if given.is_dir() else [given])]
    found = [f'{path}:{n}: {text}' for path in paths
             for n, text in sorted(check(path))]
    print(*found, sep='\n', end='\n' if found else '')
    sys.exit(bool(found))


if __name__ == '__main__':
    main()
