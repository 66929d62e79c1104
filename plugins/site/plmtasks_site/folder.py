"""The site's folder: what is written anew, and what is kept because nothing that it shows has changed."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

from plmtasks.errors import DataError, InputError
from plmtasks.files import dump, open_folder, read_object, value_hash, write_bytes, write_text

MANIFEST = "manifest.json"


class Folder:
    """Groups of files, each with the hash of what it was made of; `manifest.json` keeps them for the next build."""

    def __init__(self, path: Path, maker: str) -> None:
        """
        maker: the hash of the code that makes the files; made by other code, all are made anew

        raises: InputError if somebody else's page lies there; OutputError if it cannot be written to; DataError for a damaged
            manifest
        """
        self.path, self._maker = path, maker
        self.written = self.kept = 0
        self._old: Mapping[str, dict[str, Any]] = self._read()
        self._new: dict[str, dict[str, Any]] = {}
        self._begun = False

    def _read(self) -> dict[str, Any]:
        manifest = self.path / MANIFEST
        if not manifest.exists():
            if (self.path / "index.html").exists():
                raise InputError(f"{self.path} holds a page that plmtasks did not write", "choose another folder with --site DIR")
            return {}
        try:
            made = read_object(manifest, {"groups": {...: {"digest": str, "files": [str]}}})
            groups: dict[str, Any] = made["groups"]
            for entry in groups.values():
                for name in entry["files"]:
                    self._inside(name).exists()  # a name that no system takes is found now, and not when it is deleted
        except (OSError, ValueError, DataError) as e:
            hint = f"delete {self.path}: it is made anew"
            raise DataError(str(manifest), "what a build left", str(e), hint) from e
        return groups

    def _inside(self, name: str) -> Path:
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            raise ValueError(f"{name!r} is outside of the site")
        return self.path / name

    def files(self, name: str, inputs: Any, make: Callable[[], Mapping[str, str | bytes]]) -> list[str]:
        """The files of a group, made by `make` if its inputs are not those of the last build.

        inputs: all that the files show, as JSON can hold it
        make: path → content
        returns: the paths, relative to the folder
        """
        found = self._unchanged(name, inputs)
        if found is None or not all((self.path / file).exists() for file in found["files"]):
            made = make()
            for file, content in made.items():
                self._write(file, content if isinstance(content, bytes) else content.encode())
            found = {"digest": value_hash([self._maker, inputs]), "files": list(made)}
            self.written += len(made)
        else:
            self.kept += len(found["files"])
        self._new[name] = found
        return list(found["files"])

    def value(self, name: str, inputs: Any, make: Callable[[], Any]) -> Any:
        """A value that takes long to compute, kept from build to build; None is not kept."""
        found = self._unchanged(name, inputs)
        if found is None:
            value = make()
            if value is None:
                return None
            found = {"digest": value_hash([self._maker, inputs]), "files": [], "value": value}
        self._new[name] = found
        return found["value"]

    def _unchanged(self, name: str, inputs: Any) -> dict[str, Any] | None:
        old = self._old.get(name)
        return old if old is not None and old["digest"] == value_hash([self._maker, inputs]) else None

    def _write(self, file: str, content: bytes) -> None:
        if not self._begun:
            # interrupted from here on, the next build trusts no file and still knows which are its own
            open_folder(self.path)
            self._save({name: {"digest": "", "files": entry["files"]} for name, entry in self._old.items()})
            self._begun = True
        path = self._inside(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)

    def close(self) -> None:
        """Deletes the files of groups that are no more, and writes the manifest."""
        mine = {file for entry in self._new.values() for file in entry["files"]}
        stale = {file for entry in self._old.values() for file in entry["files"]} - mine
        for file in stale:
            self._inside(file).unlink(missing_ok=True)
        if self._begun or stale or self._new != self._old:
            self._save(self._new)

    def _save(self, groups: Mapping[str, Any]) -> None:
        write_text(self.path / MANIFEST, dump({"groups": groups}))
