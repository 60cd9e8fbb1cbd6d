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
    presets = dict(_assigned(tree.body))["_PRESETS"]
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
        for decorator in self.node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "register":
                return decorator.args[0].value
        return None

    def options(self):
        constructors = [function for function in self._functions() if function.name == "__init__"]
        if not constructors:
            return {}
        arguments = constructors[0].args
        defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + arguments.defaults
        options = {}
        for option, default in [*zip(arguments.args, defaults), *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
            if option.arg not in ("self", "model"):
                options[option.arg] = None if default is None else self._value(default)
        return options

    def attributes(self, name, options):
        """Its own class attributes; a property is computed for an object with default options."""
        attributes = {target: self._value(expression) for target, expression in _assigned(self.node.body)}
        for function in self._functions():
            if [getattr(decorator, "id", "") for decorator in function.decorator_list] == ["property"]:
                attributes[function.name] = self._property(function, SimpleNamespace(name=name, **options))
        return attributes

    def _functions(self):
        return [statement for statement in self.node.body if isinstance(statement, ast.FunctionDef)]

    def _value(self, expression):
        return _value(expression, self.constants)

    def _property(self, function, owner):
        plain = ast.FunctionDef(**{**dict(ast.iter_fields(function)), "decorator_list": [], "returns": None})
        space = dict(self.constants)
        exec(compile(ast.fix_missing_locations(ast.Module([plain], [])), "source", "exec"), space)
        return _plain(lambda: space[function.name](owner))


def _entries(room, root):
    classes = _classes(room)
    entries = {}
    for key, cls in classes.items():
        lineage = _lineage(key, classes)
        name = cls.registered_name
        if name is None or root not in [ancestor.node.name for ancestor in lineage]:
            continue
        options, attributes = {}, {}
        for ancestor in lineage:
            options = {**ancestor.options(), **options}
        for ancestor in lineage:
            attributes = {**ancestor.attributes(name, options), **attributes}
        entries[name] = Entry(name, cls.node.name, ast.get_docstring(cls.node), options, attributes)
    return dict(sorted(entries.items()))


def _classes(room):
    """Dict (module, name) -> _Class of all classes in a folder of the package."""
    classes = {}
    for path in sorted((PACKAGE / room).rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        constants, imports = {"__builtins__": {}}, {}
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.ImportFrom):
                imports.update({alias.name: statement.module for alias in statement.names})
            elif isinstance(statement, ast.ClassDef):
                classes[module, statement.name] = _Class(statement, module, constants, imports)
            for name, expression in _assigned([statement]):
                constants[name] = _value(expression, constants)
    return classes


def _assigned(statements):
    """Pairs (name, expression) of the assignments to one name, annotated ones too."""
    for statement in statements:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Name):
                yield target.id, statement.value


def _lineage(key, classes):
    """A class and its ancestors, as far as they are in `classes`, the nearest first."""
    if key not in classes:
        return []
    lineage = [classes[key]]
    for base in classes[key].bases:
        lineage += _lineage(base, classes)
    return lineage


def _value(expression, constants):
    return _plain(lambda: eval(compile(ast.Expression(expression), "source", "eval"), constants))


def _plain(compute):
    """What a piece of source gives without what its file imports, or NOT_PLAIN."""
    try:
        return compute()
    except Exception:
        return NOT_PLAIN
