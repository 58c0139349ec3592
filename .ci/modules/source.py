"""Reads the modules of a Rust target: what each declares, imports and defines, and every path that its code names."""
import re
from collections import defaultdict, namedtuple

TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*)
      | (?P<literal>b?c?r(?P<hashes>\#*)".*?"(?P=hashes)|[bc]?"(?:\\.|[^"\\])*"|b?'(?:\\(?:u\{\w+\}|x\w\w|.)|[^'\\])'|'\w+|\d[\w.]*)
      | (?P<word>(?:r\#)?[A-Za-z_]\w*)
      | (?P<mark>::|.)""",
    re.VERBOSE | re.DOTALL,
)


TEST_ONLY = re.compile(r"cfg\((all\(([^()]*,)?)?test\b")


def tokens(text):
    """The code of a file as (word or mark, line), without comments and literals."""
    found, at, line = [], 0, 1
    while at < len(text):
        if text.startswith("/*", at):
            end = end_of_comment(text, at)
        else:
            match = TOKEN.match(text, at)
            end = match.end()
            if match["word"] or match["mark"]:
                found.append((match.group().removeprefix("r#"), line))
            elif match["literal"]:
                found.append(('""', line))
        line += text.count("\n", at, end)
        at = end
    return found


def end_of_comment(text, at):
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


class Module:
    """A module: its children, what it defines and imports, and every path that its code names."""

    def __init__(self, name, file, parent=None, public=True):
        self.name, self.file, self.parent, self.public = name, file, parent, public
        self.children, self.items = {}, set()
        self.imports = defaultdict(list)  # a name -> the paths that it stands for
        self.globs = []
        self.paths = []  # (segments, line, whether it is handed on) as they stand in the code and in `use`

    def root(self):
        return self.line()[-1]

    def line(self):
        """The module and its parents, up to the root."""
        return [self, *(self.parent.line() if self.parent else [])]

    def path(self):
        return f"{self.parent.path()}::{self.name}" if self.parent else self.name

    def all(self):
        """The module and all beneath it."""
        yield self
        for child in self.children.values():
            yield from child.all()


class Parser:
    """Reads one file into a module, and the files of its children."""

    DEFINES = {"fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"}

    def __init__(self, module, folder):
        self.words = tokens(module.file.read_text())
        self.folder = folder  # where the files of children lie
        self.at = 0
        self.block(module, folder)

    def word(self, ahead=0):
        at = self.at + ahead
        return self.words[at][0] if 0 <= at < len(self.words) else ""

    def block(self, module, folder):
        """Everything up to the brace that closes the module."""
        depth = 0
        while self.at < len(self.words):
            word = self.word()
            if word == "#" and self.word(1) in ("[", "!"):
                if TEST_ONLY.match(self.attribute()):
                    self.skip_item()
            elif word == "pub":
                self.at += 1
                if restricted := self.word() == "(":
                    self.skip_group()
                self.one(module, folder, "restricted" if restricted else "public")
            elif word == "}" and depth == 0:
                self.at += 1
                return
            else:
                depth += {"{": 1, "}": -1}.get(word, 0)
                self.one(module, folder, "private")

    def one(self, module, folder, visibility):
        word = self.word()
        if word == "mod" and self.word(2) in (";", "{"):
            self.child(module, folder, visibility == "public")
        elif word == "use":
            self.use(module, visibility != "private")
        elif word in self.DEFINES and re.match(r"\w|!", self.word(1)):
            self.at += 1 + (self.word(1) in ("!", "mut"))
            if self.word() not in self.DEFINES:  # as in `const fn`
                module.items.add(self.word())
                self.at += 1
        elif re.match(r"[A-Za-z_]", word) and self.word(-1) != ".":
            self.code_path(module)
        else:
            self.at += 1

    def child(self, module, folder, public):
        name = self.word(1)
        inline = self.word(2) == "{"
        self.at += 3
        if inline:
            child = Module(name, module.file, module, public)
            module.children[name] = child
            self.block(child, folder / name)
            return
        file = next((f for f in (folder / f"{name}.rs", folder / name / "mod.rs") if f.is_file()), None)
        if file is None:
            raise SystemExit(f"{module.file}: no file for `mod {name};` under {folder}")
        child = module.children[name] = Module(name, file, module, public)
        Parser(child, folder / name)

    def use(self, module, hands_on):
        line = self.words[self.at][1]
        self.at += 1
        for path, name in list(self.tree([])):
            if name == "*":
                path.pop()
                module.globs.append(path)
            else:
                module.imports[name].append(path)
            module.paths.append((path, line, hands_on))

    def tree(self, prefix):
        """The paths of a `use`, each with the name under which it comes in."""
        path, name, ended = list(prefix), None, False
        while not ended and self.at < len(self.words):
            word = self.word()
            self.at += 1
            if word == "{":
                while self.word() != "}":
                    yield from self.tree(path)
                self.at += 1
                path = []
            elif word == "as":
                name = self.word()
                self.at += 1
            elif word == "}":
                self.at -= 1
                ended = True
            elif word in (",", ";"):
                ended = True
            elif word == "self" and path:
                name = path[-1]
            elif word != "::":
                name = word
                # `use ::name` leads to a crate, whatever modules there are
                path.append(f"::{word}" if self.word(-2) == "::" and not path else word)
        if path and name:
            yield path, name

    def code_path(self, module):
        outside = self.word(-1) == "::" and not re.match(r"\w|>", self.word(-2))
        path, line = [f"::{self.word()}" if outside else self.word()], self.words[self.at][1]
        self.at += 1
        while self.word() == "::" and re.match(r"[A-Za-z_]", self.word(1)):
            path.append(self.word(1))
            self.at += 2
        called = self.word() in ("(", "!", "::") or path[-1][0].isupper()
        if len(path) > 1 or called:
            module.paths.append((path, line, False))

    def attribute(self):
        """Skips an attribute; its words."""
        self.at += 2 if self.word(1) == "!" else 1
        start = self.at
        self.skip_group()
        return "".join(word for word, _ in self.words[start + 1:self.at - 1])

    def skip_group(self):
        depth = 0
        while self.at < len(self.words):
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(self.word(), 0)
            self.at += 1
            if depth == 0:
                return

    def skip_item(self):
        """Skips what an attribute stands over: up to its semicolon or comma, or the end of its braces."""
        while self.at < len(self.words) and self.word() not in (";", ",", "}"):
            braces = self.word() == "{"
            if self.word() in ("(", "[", "{"):
                self.skip_group()
            else:
                self.at += 1
            if braces:
                return
        self.at += self.word() in (";", ",")


# What a path means: the module that defines it, or that it names itself.
Item = namedtuple("Item", "module")
Named = namedtuple("Named", "module")


def resolve(module, path, seen=()):
    """What a path means, seen from a module, as `Item`s and `Named`s; nothing where it leads to another crate."""
    first, rest = path[0], path[1:]
    if (module, first) in seen:
        return set()
    seen += ((module, first),)
    if first == "crate":
        return within(module.root(), rest, seen)
    if first == "self":
        return within(module, rest, seen)
    if first == "super":
        return within(module.parent, rest, seen) if module.parent else set()
    return member(module, first, rest, seen)


def within(module, path, seen):
    if not path:
        return {Named(module)}
    if path[0] == "super":
        return within(module.parent, path[1:], seen)
    return member(module, path[0], path[1:], seen) or {Item(module)}


def member(module, name, rest, seen):
    """What a name means that a module declares, imports, defines or has through a glob; nothing if it has no such name."""
    if name in module.children:
        return within(module.children[name], rest, seen)
    if name in module.imports:
        return set().union(*(resolve(module, path + rest, seen) for path in module.imports[name]))
    if name in module.items:
        return {Item(module)}
    for glob in module.globs:
        for target in resolve(module, glob, seen):
            if isinstance(target, Named) and target.module is not module:
                if found := member(target.module, name, rest, seen):
                    return found
    return set()
