"""contrafact: which recordings shaped a piece of generated music, and how much.

The same steps as on the command line, as functions:

```python
from pathlib import Path

import contrafact

workspace = contrafact.Workspace.init("demo")
contrafact.write_corpus("planted", "music", n_recordings=48)
contrafact.ingest(workspace, ["music"], metadata="music/metadata.csv")
model = contrafact.train(workspace, recipe="quick")
song = contrafact.generate(
    workspace, "a slow waltz", model=model.id, out=Path("song.flac")
)
contrafact.build_index(workspace, model=model.id)
answer = contrafact.attribute(workspace, song.path, model=model.id)
print(contrafact.headline(answer))
```

Names are imported when they are first used, so `import contrafact` is quick
and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrafact.catalog import Workspace
    from contrafact.reports import headline
    from contrafact.workflows.attribute import attribute
    from contrafact.workflows.catalog import write_corpus
    from contrafact.workflows.generate import generate
    from contrafact.workflows.index import build_index
    from contrafact.workflows.ingest import ingest
    from contrafact.workflows.train import train
    from contrafact.workflows.verify import verify

__version__ = "0.1.0"

__all__ = [
    "Workspace",
    "__version__",
    "attribute",
    "build_index",
    "generate",
    "headline",
    "ingest",
    "train",
    "verify",
    "write_corpus",
]

_HOMES = {
    "Workspace": "contrafact.catalog",
    "attribute": "contrafact.workflows.attribute",
    "build_index": "contrafact.workflows.index",
    "generate": "contrafact.workflows.generate",
    "headline": "contrafact.reports",
    "ingest": "contrafact.workflows.ingest",
    "train": "contrafact.workflows.train",
    "verify": "contrafact.workflows.verify",
    "write_corpus": "contrafact.workflows.catalog",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, those not yet imported too."""
    return sorted({*globals(), *__all__})
