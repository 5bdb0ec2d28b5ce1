"""The steps of the settings file, by the real command."""

from tests.services.small import Small


def test_each_step_is_listed_with_its_title(university_of_three: Small) -> None:
    printed = university_of_three.run("example")
    for key, title in (("library", "图书馆"), ("finance", "计财处"), ("final_review", "终审")):
        assert [key, title] in [line.split() for line in printed.splitlines()]
    assert university_of_three.json("example") == {"library": "图书馆", "finance": "计财处", "final_review": "终审"}
