"""Holds the modules of every package to one direction.

The rule: at every level of a package's module tree, the modules of that level, each with all beneath it, and the file of
their parent form a graph without a cycle. An edge is a name that code takes from another file, by `use` or as a path; a
name that is re-exported counts for the file that defines it. Declaring children with `mod` and re-exporting their names
with `pub use` makes no edge, so a `mod.rs` that does only that is free; one with code of its own is a file like any
other. Comments, literals and what stands under `#[cfg(test)]` do not count. Method calls are not seen: only names are.

It also holds who may name which crate (`CRATES`), that HTTP uses the facade's public names alone, and that the block of
modules in ARCHITECTURE.md is what the code says.

  python3 .ci/modules               checks; prints each cycle with the imports that close it, and exits with 1
  python3 .ci/modules --draw        prints the block for ARCHITECTURE.md
  python3 .ci/modules --write       writes it there
  python3 .ci/modules --self-test   checks made-up packages, each with a known fault
"""
import json
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from package import Package, floors  # noqa: E402
from self_test import self_test  # noqa: E402

# Packages that are not yet free of faults: theirs are warnings, and they are left out of the drawing.
NOT_YET = {"vinedb", "vinedb-engine"}

BEGIN, END = "<!-- modules: written by python3 .ci/modules --write -->", "<!-- /modules -->"


def workspace():
    """The packages as Cargo knows them, each after those that it needs. Tests and benches, on which nothing is built, are left out."""
    command = ["cargo", "metadata", "--offline", "--no-deps", "--format-version", "1"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    needs = {p["name"]: {d["name"] for d in p["dependencies"] if d.get("path") and d["kind"] is None} for p in packages}
    for package in packages:
        roots = [Path(t["src_path"]) for t in package["targets"] if {"lib", "bin", "example"} & set(t["kind"])]
        if package["name"] != "vinedb-tests":
            yield Package(package["name"], roots, needs[package["name"]])


def drawn(packages):
    """The block for ARCHITECTURE.md: packages, then the modules of each library, those on top first."""
    graphs = [("packages", floors({package.name: package.needs for package in packages}))]
    graphs += [(p.name, p.drawing()) for p in packages if p.roots[0].file.name == "lib.rs" and p.name not in NOT_YET]
    parts = []
    for name, lines in graphs:
        parts.append(name)
        parts += [f"  {one} -> {', '.join(others)}" if others else f"  {one}" for one, others in lines]
        parts.append("")
    return "\n".join([BEGIN, "```text", *parts[:-1], "```", END])


def block(text):
    """The block of modules in a document; nothing where it has none."""
    start, end = text.find(BEGIN), text.find(END)
    return text[start:end + len(END)] if 0 <= start < end else ""


def check(packages, text):
    """What is wrong, as lines, and whether any of it is more than a warning."""
    lines, failed = [], False
    for package in packages:
        late = package.name in NOT_YET
        lines += [f"{'warning' if late else 'error'}: {fault}" for fault in package.faults]
        if late and not package.faults:
            lines.append(f"error: `{package.name}` is free of faults: take it out of NOT_YET in .ci/modules")
        failed |= late != bool(package.faults)
    if block(text) != drawn(packages):
        lines.append("error: the modules in ARCHITECTURE.md are not those of the code: run python3 .ci/modules --write")
        failed = True
    return lines, failed


def main():
    asked = sys.argv[1:]
    if asked == ["--self-test"]:
        return self_test()
    document = Path("ARCHITECTURE.md")
    packages, text = list(workspace()), document.read_text()
    if asked == ["--draw"]:
        print(drawn(packages))
    elif asked == ["--write"]:
        old = block(text)
        document.write_text(text.replace(old, drawn(packages)) if old else f"{text}\n{drawn(packages)}\n")
    elif asked:
        sys.exit(__doc__)
    else:
        lines, failed = check(packages, text)
        print("\n".join(lines), file=sys.stderr)
        sys.exit(failed)


if __name__ == "__main__":
    main()
