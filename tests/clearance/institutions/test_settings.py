"""The settings of several institutions: one that cannot be used stops no other, and none shares with another."""

from pathlib import Path

import pytest

from clearance.institutions.folder import InstitutionFolder
from clearance.settings_file import schema_of
from config.institutions import institution_in, wrong_key
from config.load import SettingsError
from tests.services import in_process
from tests.services.institutions import Installation


@pytest.fixture
def three(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "institutions", "sqlite:///clearance.db")
    for key in ("pku", "thu", "ustc"):
        made.write(key)
        made.change(key, f'postgres_schema = "{key}"\n', "")
    return made


def folder(of: Installation, kept: Path | None = None, /, **environ: str) -> InstitutionFolder:
    return InstitutionFolder(of.folder, schema_of, environ, kept)


class TestAKey:
    @pytest.mark.parametrize("key", ["pku", "0", "a-b-c", "a" * 24])
    def test_is_letters_digits_and_single_hyphens(self, key: str) -> None:
        assert wrong_key(key) == ""

    @pytest.mark.parametrize("key", ["", "-a", "a-", "a--b", "A", "a_b", "a" * 25, "a/b", "../a", "清华", "a\n"])
    def test_is_nothing_else(self, key: str) -> None:
        assert wrong_key(key)

    def test_names_variables_that_no_other_key_names(self) -> None:
        keys = ["a", "a-b", "a-b-c", "b", "b-c", "c"]
        names = {name + institution_in(Path(), key).suffix for key in keys for name in ("X", "X__A", "X_A", "X_")}
        assert len(names) == len(keys) * 4


def test_each_institution_has_the_settings_of_its_own_file(three: Installation) -> None:
    found = folder(three).read()
    assert {key: one.institution.name for key, one in found.settings.items()} == {
        key: f"{key} 大学" for key in ("pku", "thu", "ustc")
    }
    assert found.faults == {}
    assert found.settings["thu"].status_db.ledger_key_file == three.folder / "thu" / "ledger.key"


class TestAVariable:
    def test_is_read_with_the_key_of_its_institution_alone(self, three: Installation) -> None:
        three.change("pku", "file:status-url", "env:STATUS_URL")
        others = {"STATUS_URL": "sqlite:///shared.db", "STATUS_URL__THU": "sqlite:///thu.db"}
        url = folder(three, None, **others).read().settings["pku"].status_db.url
        with pytest.raises(ValueError, match="STATUS_URL__PKU is not set"):
            url.reveal()
        mine = folder(three, None, **others, STATUS_URL__PKU="sqlite:///mine.db").read().settings["pku"].status_db.url
        assert mine.reveal() == f"sqlite:///{three.folder}/pku/mine.db"

    def test_overrides_one_institution_or_all(self, three: Installation) -> None:
        found = folder(
            three, CLEARANCE__PORTAL__RECHECK_DAY_LIMIT="3", CLEARANCE_THU__PORTAL__RECHECK_DAY_LIMIT="4"
        ).read()
        limits = {key: one.portal.recheck_day_limit for key, one in found.settings.items()}
        assert limits == {"pku": 3, "thu": 4, "ustc": 3}

    def test_cannot_give_all_of_them_one_database(self, three: Installation) -> None:
        found = folder(three, CLEARANCE__STATUS_DB__URL="sqlite:////srv/one.db").read()
        assert found.settings == {}
        assert all("also belongs to" in found.faults[key][0] for key in ("pku", "thu", "ustc"))


class TestTwoThatShare:
    @pytest.mark.parametrize(
        ("mine", "theirs", "place"),
        [
            ("thu.example.edu.cn", "PKU.example.edu.cn.", "[portal] public_url"),
            ("file:status-url", "sqlite:////srv/one.db", "[status_db] url"),
            ("[status_db]", '[status_db]\nledger_key_file = "/srv/one.key"', "[status_db] ledger_key_file"),
            ("[portal]", '[portal]\nkey_file = "/srv/one.key"', "[portal] key_file"),
            ("[portal]", '[metrics]\nbackups = "/srv/backups"\n[portal]', "[metrics] backups"),
            ("[portal]", '[desk.paper]\nfolder = "/srv/paper"\n[portal]', "[desk.paper] folder"),
        ],
    )
    def test_are_both_refused_at_the_start_and_the_third_is_served(
        self, three: Installation, mine: str, theirs: str, place: str
    ) -> None:
        three.change("thu", mine, theirs)
        if "pku" not in theirs.lower():
            three.change("pku", mine, theirs)
        found = folder(three).read()
        assert set(found.settings) == {"ustc"}
        assert set(found.faults) == {"pku", "thu"}
        assert all(any(line.startswith(place) for line in lines) for lines in found.faults.values()), found.faults

    def test_are_found_where_one_folder_is_inside_the_others(self, three: Installation) -> None:
        three.change("thu", "[portal]", '[metrics]\nbackups = "/srv/backups/thu"\n[portal]')
        three.change("pku", "[portal]", '[metrics]\nbackups = "/srv/backups"\n[portal]')
        assert set(folder(three).read().faults) == {"pku", "thu"}

    def test_two_schemas_of_one_database_are_not_shared(self, three: Installation) -> None:
        for key in ("pku", "thu"):
            (three.folder / key / "status-url").write_text("postgresql+psycopg://one@localhost/clearance")
            three.change(key, "[status_db]", f'[status_db]\npostgres_schema = "{key}"')
        assert folder(three).read().faults == {}
        three.change("thu", 'postgres_schema = "thu"', 'postgres_schema = "pku"')
        (three.folder / "thu" / "status-url").write_text("postgresql+psycopg://two@127.0.0.1:5432/clearance")
        assert set(folder(three).read().faults) == {"pku", "thu"}

    def test_a_file_in_the_folder_of_another_is_refused(self, three: Installation) -> None:
        three.change("thu", "file:status-url", "file:../pku/status-url")
        found = folder(three).read()
        assert "is in the folder of pku" in found.faults["thu"][0]
        assert set(found.settings) == {"pku", "ustc"}

    def test_a_source_in_the_folder_of_another_is_refused(self, three: Installation) -> None:
        three.change("thu", "sqlite:///library.db", "sqlite:///../pku/library.db")
        assert set(folder(three).read().faults) == {"thu"}


class TestAChangedFile:
    @pytest.fixture
    def kept(self, tmp_path: Path) -> Path:
        (tmp_path / "kept").mkdir()
        return tmp_path / "kept"

    def test_that_cannot_be_used_leaves_the_institution_as_it_was_also_in_another_process(
        self, three: Installation, kept: Path
    ) -> None:
        folder(three, kept).read()
        three.change("thu", "[institution]", "[institution")
        found = folder(three, kept).read()
        assert found.settings["thu"].institution.name == "thu 大学"
        assert found.usable() == {"pku": True, "thu": False, "ustc": True}
        three.change("thu", "[institution", "[institution]")
        assert folder(three, kept).read().faults == {}

    def test_that_takes_the_host_of_another_is_refused_alone(self, three: Installation, kept: Path) -> None:
        folder(three, kept).read()
        three.change("thu", "thu.example.edu.cn", "pku.example.edu.cn")
        found = folder(three, kept).read()
        assert set(found.faults) == {"thu"}
        assert found.settings["thu"].portal.public_url == "http://thu.example.edu.cn"

    def test_two_can_exchange_their_hosts(self, three: Installation, kept: Path) -> None:
        folder(three, kept).read()
        three.change("thu", "thu.example.edu.cn", "pku.example.edu.cn")
        three.change("pku", "pku.example.edu.cn", "thu.example.edu.cn")
        found = folder(three, kept).read()
        assert found.faults == {}
        assert found.settings["thu"].portal.public_url == "http://pku.example.edu.cn"

    def test_that_is_removed_ends_the_institution(self, three: Installation, kept: Path) -> None:
        folder(three, kept).read()
        three.file("thu").unlink()
        assert set(folder(three, kept).read().usable()) == {"pku", "ustc"}

    def test_a_new_one_that_is_broken_has_no_former_settings(self, three: Installation, kept: Path) -> None:
        folder(three, kept).read()
        (three.folder / "new.toml").write_text("[")
        (three.folder / "Not A Key.toml").write_text("")
        found = folder(three, kept).read()
        assert set(found.faults) == {"new", "Not A Key"}
        assert set(found.settings) == {"pku", "thu", "ustc"}


def test_what_they_share_is_in_a_file_of_its_own(three: Installation) -> None:
    found = folder(three, CLEARANCE__PORTAL__HOST="0.0.0.0").read()
    assert (found.process.portal.host, found.process.portal.port) == ("0.0.0.0", three.port)
    (three.folder / "_process.toml").write_text("[roster]\n")
    with pytest.raises(SettingsError, match="file of each institution"):
        folder(three).read()


class TestACommand:
    def test_without_an_institution_lists_the_keys(self, three: Installation) -> None:
        assert "pku, thu, ustc" in three.run("", "status", "1", code=2)

    def test_for_an_unknown_one_says_how_to_add_it(self, three: Installation) -> None:
        assert "clearance institutions add fudan" in three.run("fudan", "status", "1", code=2)

    def test_for_one_needs_their_folder(self, three: Installation) -> None:
        three.environ["CLEARANCE_INSTITUTIONS"] = ""
        ended = in_process.command(["--institution", "pku", "check"], three.environ)
        assert ended.code == 2
        assert "--institutions FOLDER" in ended.err

    def test_a_cohort_belongs_to_one(self, three: Installation) -> None:
        assert "add --institution KEY" in three.run("", "--cohort", "2019", "schedule", code=2)
