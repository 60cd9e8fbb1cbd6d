"""What explainers, evaluators and rules are called and take, read from their source.

Nothing is imported for it, so the command line lists them, and refuses what is none of them, without TensorFlow.
"""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

PACKAGE = Path(__file__).resolve().parents[1]
NOT_PLAIN = object()  # stands for a default or attribute that is no plain value


@dataclass(frozen=True)
class Entry:
    """One registered class.

    Attributes:
        name: Registry name.
        class_name: Name of the class.
        doc: Its docstring.
        options: Dict option -> default, inherited ones too.
        attributes: Dict of its class attributes, inherited ones too.
    """

    name: str
    class_name: str
    doc: str
    options: dict
    attributes: dict

    def __getattr__(self, name):
        if name in self.attributes:
            return self.attributes[name]
        raise AttributeError(name)


@functools.cache
def explainers():
    """Dict name -> Entry of all explainers, sorted by name."""
    return _entries("explainers", "Explainer")


@functools.cache
def evaluators():
    """Dict name -> Entry of all evaluators, sorted by name."""
    return _entries("evaluators", "Evaluator")


@functools.cache
def rules():
    """Names of the rules and presets that `rules=` takes."""
    tree = ast.parse((PACKAGE / "explainers/lrp/presets.py").read_text(encoding="utf-8"))
    (presets,) = [one.value for one in tree.body if isinstance(one, ast.Assign) and one.targets[0].id == "_PRESETS"]
    return list(dict.fromkeys([*(key.value for key in presets.keys), *_entries("explainers/lrp", "Rule")]))


@dataclass(frozen=True)
class _Class:
    """A class as its source tells it, with the plain constants of its file, and where what it imports comes from."""

    node: ast.ClassDef
    module: str
    constants: dict
    imports: dict

    @property
    def bases(self):
        names = [base.id for base in self.node.bases if isinstance(base, ast.Name)]
        return [(self.imports.get(name, self.module), name) for name in names]

    @property
    def registered_name(self):
        for one in self.node.decorator_list:
            if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "register":
                return one.args[0].value
        return None

    def options(self):
        (init,) = [one for one in self._functions() if one.name == "__init__"] or [None]
        if init is None:
            return {}
        given, by_name = init.args.args, init.args.kwonlyargs
        defaults = [None] * (len(given) - len(init.args.defaults)) + init.args.defaults
        pairs = [*zip(given, defaults), *zip(by_name, init.args.kw_defaults)]
        values = {one.arg: None if default is None else self._value(default) for one, default in pairs}
        return {name: value for name, value in values.items() if name not in ("self", "model")}

    def attributes(self, name, options):
        """Its own class attributes; a property is computed for an object with default options."""
        found = {target: self._value(expression) for target, expression in _assigned(self.node.body)}
        for function in self._functions():
            if [getattr(one, "id", "") for one in function.decorator_list] == ["property"]:
                found[function.name] = self._property(function, SimpleNamespace(name=name, **options))
        return found

    def _functions(self):
        return [one for one in self.node.body if isinstance(one, ast.FunctionDef)]

    def _value(self, expression):
        return _value(expression, self.constants)

    def _property(self, function, owner):
        plain = ast.FunctionDef(**{**dict(ast.iter_fields(function)), "decorator_list": [], "returns": None})
        space = dict(self.constants)
        exec(compile(ast.fix_missing_locations(ast.Module([plain], [])), "source", "exec"), space)
        return _plain(lambda: space[function.name](owner))


def _entries(room, root):
    classes = _classes(room)
    found = {}
    for key, one in classes.items():
        lineage = _lineage(key, classes)
        name = one.registered_name
        if name is None or root not in [ancestor.node.name for ancestor in lineage]:
            continue
        options, attributes = {}, {}
        for ancestor in lineage:
            options = {**ancestor.options(), **options}
        for ancestor in lineage:
            attributes = {**ancestor.attributes(name, options), **attributes}
        found[name] = Entry(name, one.node.name, ast.get_docstring(one.node), options, attributes)
    return dict(sorted(found.items()))


def _classes(room):
    """Dict (module, name) -> _Class of all classes in a folder of the package."""
    found = {}
    for path in sorted((PACKAGE / room).rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        constants, imports = {"__builtins__": {}}, {}
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.ImportFrom):
                imports.update({one.name: statement.module for one in statement.names})
            elif isinstance(statement, ast.ClassDef):
                found[module, statement.name] = _Class(statement, module, constants, imports)
            for name, expression in _assigned([statement]):
                constants[name] = _value(expression, constants)
    return found


def _assigned(statements):
    """Pairs (name, expression) of the assignments to one name, annotated ones too."""
    for one in statements:
        if isinstance(one, (ast.Assign, ast.AnnAssign)) and one.value is not None:
            target = one.targets[0] if isinstance(one, ast.Assign) else one.target
            if isinstance(target, ast.Name):
                yield target.id, one.value


def _lineage(key, classes):
    """A class and its ancestors, as far as they are in `classes`, the nearest first."""
    if key not in classes:
        return []
    above = [ancestor for base in classes[key].bases for ancestor in _lineage(base, classes)]
    return [classes[key], *(one for one in above if one is not classes[key])]


def _value(expression, constants):
    return _plain(lambda: eval(compile(ast.Expression(expression), "source", "eval"), constants))


def _plain(compute):
    """What a piece of source gives without what its file imports, or NOT_PLAIN."""
    try:
        return compute()
    except Exception:
        return NOT_PLAIN
