"""The API's description: it names every route, and what is described is what is answered."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from clearance.web import application
from portal.api.routes import ENDPOINTS, PREFIX
from tests import sizes
from tests.portal.api.conftest import bearing, give_token
from tests.services.university import ROOT
from tests.world import World


@pytest.fixture
def described(client: TestClient) -> dict[str, Any]:
    """The description, as anybody may read it."""
    found: dict[str, Any] = client.get(f"{PREFIX}/openapi.json").json()
    return found


def routes_of(app: Starlette) -> set[str]:
    """Return the addresses of the API's routes, as they are served."""
    (mount,) = (route for route in app.routes if isinstance(route, Mount) and route.path == PREFIX)
    return {route.path_format for route in mount.routes if isinstance(route, Route)}


def test_it_names_every_route_with_its_methods(described: dict[str, Any], client: TestClient) -> None:
    app = client.app
    assert isinstance(app, Starlette)
    assert set(described["paths"]) == routes_of(app) - {"/openapi.json"}
    methods = {path: set(operations) for path, operations in described["paths"].items()}
    assert methods == {e.path: {e.method.lower()} for e, _ in ENDPOINTS}
    assert [path for path, of in methods.items() if of != {"get"}] == ["/recheck"]
    assert described["openapi"].startswith("3.1")


def test_it_states_which_cohorts_steps_and_languages_there_are_here(
    described: dict[str, Any], university: World
) -> None:
    parameters = {p["name"]: p["schema"] for p in described["paths"]["/students"]["get"]["parameters"]}
    assert parameters["cohort"]["enum"] == ["2019"]
    assert parameters["step"]["enum"] == [step.key for step in university.settings.step]
    assert parameters["lang"]["enum"] == ["zh", "en"]
    assert "held" in parameters["state"]["enum"]


def test_the_page_about_it_names_every_route_and_every_parameter() -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    for endpoint, _ in ENDPOINTS:
        assert f"`{endpoint.method} {PREFIX}{endpoint.path}`" in page
        fields = endpoint.question.model_fields | (endpoint.body.model_fields if endpoint.body is not None else {})
        for name, field in fields.items():
            assert f"`{field.alias or name}`" in page


@pytest.mark.property
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_whatever_is_asked_the_answer_is_one_that_is_described(university: World, mode: GenerationMode) -> None:
    """Questions made out of the description itself: such as it allows, and such as it does not."""
    many = university.settings.api.model_copy(update={"rate": 10**9})
    app = application(university.settings.model_copy(update={"api": many}), clock=university.clock)
    secret, _ = give_token(university, "dean")
    schema = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert {operation.path for operation in operations} == {endpoint.path for endpoint, _ in ENDPOINTS}
    for operation in operations:

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=sizes.times(25),
            database=None,
            derandomize=sizes.DAILY,
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            # The header with the token is always ours, so a case that only makes it wrong is accepted.
            corrected = mode is GenerationMode.NEGATIVE and "Authorization" not in (case.headers or {})
            case.call_and_validate(
                headers=bearing(secret), excluded_checks=[negative_data_rejection] if corrected else None
            )

        ask()
