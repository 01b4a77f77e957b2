#!/usr/bin/python3
"""Commands of a compiler, one a line on the standard input, as the
compile_commands.json of clangd.  Those of a file with a whole path run in the
directory that is given, others here."""

import json
import pathlib
import shlex
import sys


def entry(line, tree):
    arguments = shlex.split(line)
    [source] = [word for word in arguments if word.endswith('.c')]
    absolute = pathlib.Path(source).is_absolute()
    return {'directory': str(tree if absolute else pathlib.Path.cwd()),
            'file': source, 'arguments': arguments}


def main():
    tree = pathlib.Path(sys.argv[1]).resolve()
    json.dump([entry(line, tree) for line in sys.stdin], sys.stdout, indent=1)


if __name__ == '__main__':
    main()
