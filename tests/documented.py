"""What the documents tell a reader to type, and whether it could be typed.

Commands stand in blocks, indented or fenced; a backslash continues a line. `Command.problem` parses one with the
program's own parser and runs nothing.
"""

import ast
import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typer

from graticule.cli import app
from graticule.earth.regions import parse_region

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "examples").glob("*.md")),
]
PROGRAMS = {"graticule", "python", "make", "pip", "pytest", "torchrun", "accelerate"}


@dataclass(frozen=True)
class Command:
    """A command and the document it stands in first."""

    document: str
    words: tuple[str, ...]

    def __str__(self):
        return shlex.join(self.words)

    @property
    def kind(self):
        """What it does, whatever it is done to: the command and its options."""
        names = [word for word in self.words[:3] if word.isalpha() and word.islower()]
        return *names, *sorted(word for word in self.words if word.startswith("--") and word != "--model")

    def problem(self):
        """Why it can't be typed like this; nothing if it can."""
        program, *rest = self.words
        if "-m" in rest and rest[rest.index("-m") + 1] == "graticule":
            program, rest = "graticule", rest[rest.index("-m") + 2 :]
        if program in ("torchrun", "accelerate"):
            return "runs something that is no graticule"
        return {"graticule": parsed, "python": scripted, "make": made, "pip": installed, "pytest": tested}[
            program
        ](rest)


def blocks(document):
    """The blocks of a document: language ("" of an indented one) and lines."""
    language, lines = None, []
    for line in [*document.read_text(encoding="utf-8").splitlines(), ""]:
        fence = re.match(r" *```(\w*)", line)
        if fence and language is None:
            language, lines = fence[1], []
        elif fence:
            yield language, lines
            language, lines = None, []
        elif language is not None:
            lines.append(line)
        elif line.startswith("    "):
            yield "", [line]


def commands():
    """Every command of the documents, each once."""
    found = {}
    for document in DOCUMENTS:
        lines = [line for language, block in blocks(document) if language != "python" for line in block]
        for line in "\n".join(lines).replace("\\\n", " ").splitlines():
            words = _words(line)
            if words and words[0] in PROGRAMS:
                found.setdefault(words, Command(document.relative_to(ROOT).as_posix(), words))
    return list(found.values())


def python_blocks(document):
    """The Python of a document, as one program: a later block uses what an earlier one made."""
    return "\n".join("\n".join(lines) for language, lines in blocks(document) if language == "python")


def _words(line):
    try:
        return tuple(shlex.split(line, comments=True))
    except ValueError:  # prose with an apostrophe
        return ()


@cache
def _program():
    return typer.main.get_command(app)


def parsed(words):
    """A command line of graticule: its command, options, choices and number of arguments."""
    # [--option VALUE] says that it may be left out, and ... that what else is needed is not repeated.
    abridged = "..." in words
    words = [word.strip("[]") for word in words if word.strip("[]") != "..."]
    command, name = _program(), "graticule"
    while words and words[0] in getattr(command, "commands", {}):
        name, *words = words
        command = command.commands[name]
    if hasattr(command, "commands"):
        return f"there is no command {words[0]!r}" if words and not words[0].startswith("-") else None
    context = typer.Context(command, info_name=name)
    try:
        given, left, _ = command.make_parser(context).parse_args(list(words))
    except Exception as error:  # typer's own, which are not public
        return str(error)
    if given.get("within"):
        parse_region(given["within"])
    if left:
        return f"too much: {left}"
    return _misnamed(command, context, given) or (None if abridged else _missing(command, given))


def _missing(command, given):
    lacking = [parameter.name for parameter in command.params if parameter.required]
    lacking = [name for name in lacking if given.get(name) in (None, ())]
    return f"lacks {lacking}" if lacking else None


def _misnamed(command, context, given):
    """Choices as the help lists them: --decode <greedy|beam|sample>."""
    for parameter in command.params:
        usage = (parameter.get_help_record(context) or ("", ""))[0]
        choices = re.search(r"<([\w-]+(?:\|[\w-]+)+)>", usage)
        value = given.get(parameter.name)
        values = value if isinstance(value, list) else [value]
        for chosen in values:
            # CAPITALS and a|b stand for what the reader puts there.
            stands_for = chosen is None or str(chosen).isupper() or "|" in str(chosen)
            if choices and not stands_for and str(chosen) not in choices[1].split("|"):
                return f"{parameter.name} is {chosen!r}, not one of {choices[1]}"
    return None


def scripted(words):
    """`python FILE` with options that the file knows, or `python -m MODULE`."""
    if words[0] == "-m":
        return (
            None if words[1] in ("build", "graticule", "pytest", "venv") else f"{words[1]} is not known here"
        )
    script = ROOT / words[0]
    if not script.is_file():
        return f"there is no {words[0]}"
    known = {
        node.value
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    # Benchmarks have some options in common.
    shared = (ROOT / "benchmarks").glob("_*.py")
    known |= {part for file in shared for part in re.findall(r"--[\w-]+", file.read_text(encoding="utf-8"))}
    unknown = [word for word in words if word.startswith("--") and word not in known]
    return f"{words[0]} does not know {unknown}" if unknown else None


def made(words):
    """`make TARGET`."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    unknown = [word for word in words if word.isalpha() and word not in targets]
    return f"no target {unknown}" if unknown else None


def installed(words):
    """`pip install` of the package, with extras that there are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        extra
        for word in words
        for group in re.findall(r"(?:graticule|\.)\[([\w,]+)\]", word)
        for extra in group.split(",")
    ]
    unknown = sorted(set(wanted) - set(project["optional-dependencies"]))
    return f"no extras {unknown}" if unknown else None


def tested(words):
    """`pytest PATH`."""
    gone = [word for word in words if not word.startswith("-") and not (ROOT / word).exists()]
    return f"there is no {gone}" if gone else None


def spans(document):
    """Code within the prose of a document: `like this`."""
    prose = re.sub(
        r"^ *```.*?^ *```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]


def options():
    """Every option of every command, and of the scripts beside the package."""
    scripts = [
        *(ROOT / "benchmarks").glob("*.py"),
        *(ROOT / "tools").glob("*.py"),
        *(ROOT / "fuzz").glob("*.py"),
    ]
    texts = [script.read_text(encoding="utf-8") for script in scripts]
    return _options(_program()) | {found for text in texts for found in re.findall(r"\"(--[a-z-]+)\"", text)}


def _options(command):
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for child in getattr(command, "commands", {}).values():
        found |= _options(child)
    return found | {"--help"}


def called(words):
    """Whether words such as `graticule train geotoken` name a command, as far as they name one."""
    command = _program()
    for word in words[1:]:
        inside = getattr(command, "commands", None)
        if inside is None or not re.fullmatch(r"[a-z]+", word):
            return True
        if word not in inside:
            return False
        command = inside[word]
    return True
