"""What the files of a package take from one another, and what is wrong with that."""
from collections import defaultdict
from pathlib import Path

from source import Item, Module, Named, Parser, member, resolve

# Who may name a crate: a package, or a module of one. Benches and tests may compare with whatever they like.
CRATES = {
    "faiss": ["vinedb-engine"],
    "faiss_sys": ["vinedb-engine"],
    "hnsw_rs": ["vinedb-engine"],
    "ort": ["vinedb-embedder"],
    "tokenizers": ["vinedb-embedder"],
    "rusqlite": ["vinedb-storage"],
    "axum": ["vinedb::http", "vinedb-examples"],
    "engine": ["vinedb", "!vinedb::http"],
    "embedder": ["vinedb", "vinedb-models", "!vinedb::http"],
    "storage": ["vinedb", "!vinedb::http"],
}
CRATES |= {f"vinedb_{leaf}": CRATES[leaf] for leaf in ("engine", "embedder", "storage")}
# Modules that see of their own package only what a stranger would.
STRANGERS = ["vinedb::http"]


class Package:
    """A package's targets, what their files take from one another, and what is wrong with that."""

    def __init__(self, name, roots, needs=()):
        self.name, self.needs = name, needs
        self.roots = [Module("crate", root) for root in roots]
        self.faults = []
        self.takes = defaultdict(dict)  # a module with a file -> those that it takes names from -> the import that says so
        for root in self.roots:
            Parser(root, root.file.parent)
            for module in root.all():
                for path, line, hands_on in module.paths:
                    self.meaning(module, path, line, hands_on)
            self.levels(root)

    def meaning(self, module, path, line, hands_on):
        """Notes what a path ties together, and whether its writer may name that."""
        here, place = of_file(module), self.place(module)
        where = f"{shown(module.file)}:{line}: {'::'.join(path)}"
        crate = path[0].removeprefix("::")
        allowed = CRATES.get(crate)
        if crate == self.name.replace("-", "_") or member(module, path[0], [], ()):
            allowed = None  # its own library, or a name of its own
        if allowed and not may(place, allowed):
            self.faults.append(f"{where} names the crate `{crate}`, which is for {spoken(allowed)}")
        for meaning in resolve(module, path):
            there = of_file(meaning.module)
            stranger = next((area for area in STRANGERS if is_in(place, area) and not is_in(self.place(there), area)), None)
            if stranger and path[0] == "crate" and not public(path[-1], meaning, module.root()):
                self.faults.append(f"{where} is private to `{self.name}`, and `{stranger}` takes public names alone")
            if isinstance(meaning, Item) and there is not here and not (hands_on and here in there.line()):
                self.takes[here].setdefault(there, where)

    def place(self, module):
        return f"{self.name}{module.path().removeprefix('crate')}"

    def levels(self, root):
        """Looks for a cycle among the children of every module, each with all beneath it, and the module's own file."""
        for parent in [module for module in root.all() if of_file(module) is module and module.children]:
            graph = self.level(parent)
            for circle in circles(graph):
                names = ", ".join(sorted(one.name if one is not parent else shown(parent.file) for one in circle))
                ties = sorted(tie for one in circle for other, tie in graph[one].items() if other in circle)
                self.faults.append("\n    ".join([f"{self.place(parent)}: a cycle through {names}:", *ties]))

    def level(self, parent):
        graph = defaultdict(dict)
        for here, takes in self.takes.items():
            for there, tie in takes.items():
                one, other = child_with(parent, here), child_with(parent, there)
                if one and other and one is not other:
                    graph[one].setdefault(other, tie)
        return graph

    def drawing(self):
        """The top-level modules of the library, each with those that it stands on."""
        root = self.roots[0]
        graph = self.level(root)
        return floors({one.name: {other.name for other in graph[one] if other is not root} for one in root.children.values()})


def floors(graph):
    """Each name with those that it stands on directly, what stands on most first; what others imply is left out."""
    for one in sorted(graph, key=lambda one: (-len(beneath(graph, one)), one)):
        implied = set().union(*(beneath(graph, other) for other in graph[one]))
        yield one, sorted(graph[one] - implied)


def of_file(module):
    """The module that a file makes, of one that is written inside it."""
    while module.parent and module.parent.file == module.file:
        module = module.parent
    return module


def child_with(parent, module):
    """Which child of a module another lies in: the module itself stands for its own file; nothing if it lies elsewhere."""
    line = module.line()
    if parent not in line:
        return None
    return of_file(line[max(line.index(parent) - 1, 0)])


def beneath(graph, start):
    """All that can be reached from one of a graph."""
    found, todo = set(), [start]
    while todo:
        for other in graph[todo.pop()]:
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def circles(graph):
    """The sets of modules that reach each other."""
    reach = {one: beneath(graph, one) for one in list(graph)}
    tied = {one: frozenset(other for other in reach[one] if one in reach.get(other, ())) for one in reach if one in reach[one]}
    return sorted(set(tied.values()), key=lambda circle: sorted(one.path() for one in circle))


def is_in(place, area):
    return place == area or place.startswith(f"{area}::")


def may(place, areas):
    return any(is_in(place, area) for area in areas) and not any(is_in(place, area[1:]) for area in areas if area[0] == "!")


def spoken(areas):
    allowed = " and ".join(f"`{area}`" for area in areas if area[0] != "!")
    return allowed + "".join(f" without `{area[1:]}`" for area in areas if area[0] == "!")


def public(name, meaning, root):
    """Whether strangers can name this: a public module from the root down declares it or re-exports it."""
    if meaning == Named(root) or meaning in member(root, name, [], ()):
        return True
    return any(public(name, meaning, child) for child in root.children.values() if child.public)


def shown(file):
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
