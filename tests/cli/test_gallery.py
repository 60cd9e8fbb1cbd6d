"""The folder of results: whole or not at all, wherever it lies."""

import pytest

from kerasxai.cli.gallery import output_folder


def fill(path, **options):
    with output_folder(path, **options) as folder:
        (folder / "pictures").mkdir()
        (folder / "index.html").write_text("page")


def everything(path):
    return sorted(str(one.relative_to(path)) for one in path.rglob("*"))


def test_a_new_folder_and_its_parents(tmp_path):
    fill(tmp_path / "a" / "out")
    assert everything(tmp_path) == ["a", "a/out", "a/out/index.html", "a/out/pictures"]
    assert (tmp_path / "a/out").stat().st_mode == (tmp_path / "a").stat().st_mode


def test_an_existing_folder_is_filled_in_its_place(tmp_path, monkeypatch):
    """It may be a mount, or its parent read-only: nothing may be written beside it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    before = (tmp_path / "out").stat().st_ino
    with output_folder(tmp_path / "link") as folder:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out"]
        (folder / "index.html").write_text("page")
    monkeypatch.chdir(tmp_path / "out")
    fill(".", overwrite=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "out").stat().st_ino == before
    assert everything(tmp_path / "out") == ["index.html", "pictures"]


def test_overwrite_leaves_nothing_of_what_was_there(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (tmp_path / "out" / "old" / "older").mkdir(parents=True)
    (tmp_path / "out" / "index.html").write_text("old")
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    fill(tmp_path / "out", overwrite=True)
    assert everything(tmp_path / "out") == ["index.html", "pictures"]
    assert (tmp_path / "out" / "index.html").read_text() == "page" and (tmp_path / "elsewhere" / "kept").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("out", ["a/b/out", "empty", "used"])
def test_a_failure_leaves_all_as_it_was(out, error, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").touch()
    before = everything(tmp_path)
    with pytest.raises(error), output_folder(tmp_path / out, overwrite=True) as folder:
        (folder / "index.html").write_text("page")
        raise error
    assert everything(tmp_path) == before


def test_a_file_is_in_the_way(tmp_path):
    (tmp_path / "out").write_text("precious")
    with pytest.raises(ValueError, match="out is no folder"):
        fill(tmp_path / "out", overwrite=True)
    with pytest.raises(OSError, match=r"below cannot be written: .+ is no folder. Choose another --out"):
        fill(tmp_path / "out" / "below")
    assert (tmp_path / "out").read_text() == "precious"
