"""What the web server imports: the pages, with the settings that the environment names."""

from clearance.wiring import chosen_file, clock_of, load_settings
from config import logs
from portal.app import create_app

_settings = load_settings(chosen_file(None))
logs.configure(_settings.log)

app = create_app(_settings, clock=clock_of(_settings))
