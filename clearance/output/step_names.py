"""The names of steps, as people read them on the terminal. JSON keeps the keys."""

from config.settings import Settings
from foundation.translation import language


def step_name(settings: Settings, key: str) -> str:
    """Return the title of a step in the language of this process; the key of a step that the settings lack."""
    step = next((one for one in settings.step if one.key == key), None)
    if step is None:
        return key
    return (step.title_en if language() == "en" else "") or step.title


def named_with_key(settings: Settings, key: str) -> str:
    """Return the title of a step with its key, where the reader needs the key for a command."""
    name = step_name(settings, key)
    return name if name == key else f"{name} ({key})"
