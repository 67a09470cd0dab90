"""Packages whose `__init__` runs when it is needed, and not before. Knows nothing of models.

To give one model, diffusers and transformers import hundreds, and much of scipy with them: a third of their imports'
time. This is `importlib.util.LazyLoader` for packages: a module inside is imported without the package's `__init__`.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Any

# Each with the module inside that has what is asked of it on the way to a picture, where something is.
PACKAGES = {
    "diffusers.hooks": None,
    "diffusers.models.autoencoders": None,
    "diffusers.models.transformers": None,
    "diffusers.models.unets": None,
    "scipy.integrate": None,
    "scipy.optimize": "_lsap",
    "scipy.stats": None,
    "transformers.models": None,
}


class LazyPackage(ModuleType):
    """A package before its `__init__` has run. The first name that is no module inside makes way for the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        inside = PACKAGES.get(self.__name__)
        if inside and hasattr(found := import_module(f"{self.__name__}.{inside}"), name):
            return getattr(found, name)
        with self.__dict__["_lock"]:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        package = import_module(self.__name__)
        for place, module in self.__dict__.items():
            if isinstance(module, ModuleType):
                package.__dict__.setdefault(place, module)
        return getattr(package, name)


def put_off(packages: Any = PACKAGES) -> None:
    """Makes `packages` lazy, those that are installed and nobody has imported yet; their parents are imported."""
    for name in packages:
        if name in sys.modules:
            continue
        spec = find_spec(name)
        if spec is None:
            continue
        package = module_from_spec(spec)
        package.__class__ = LazyPackage
        package.__dict__["_lock"] = Lock()
        sys.modules[name] = package
