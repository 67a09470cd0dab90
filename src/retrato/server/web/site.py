"""What every tab of the page works with: the server's service, the language, and whose request it is."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retrato.errors import RetratoError
from retrato.jobs import Job
from retrato.markup import Html, joined, tag, with_code
from retrato.server.service import Service
from retrato.server.web.fields import FIELDS
from retrato.server.web.texts import TEXTS

TOGETHER = 20  # as many files of the largest size may be dropped at once: Gradio sends them in one request
# What a handler of the page says in words where it was pressed: of any other error Gradio shows `Error` and no more.
TOLD = (RetratoError, OSError)
LANGUAGES: Mapping[str, str] = {"en": "English", "pt-BR": "Português"}


@dataclass(frozen=True, slots=True)
class Site:
    """The page in one language; called with a key it gives the text."""

    service: Service
    language: str

    def __call__(self, key: str, **values: object) -> str:
        """Gives the text for `key` with `values` in their places; raises KeyError for one that is not in the table."""
        text = TEXTS[key][list(LANGUAGES).index(self.language)]
        return text.format(**values) if values else text


def most_of_file(service: Service) -> int:
    """Gives how many bytes a request may have, or a file that is dropped on the page."""
    return service.settings.megabytes * 1_000_000


def most_together(service: Service) -> int:
    """Gives how many bytes the files may have together that are dropped on the page at once."""
    return TOGETHER * most_of_file(service)


def label(site: Site, name: str) -> str:
    """Gives what a field is called on the page."""
    return FIELDS[name][0] if site.language == "en" else FIELDS[name][1]


def path_of(language: str) -> str:
    """Gives where the page stands in a language."""
    return f"/{language.lower()}"


def choose_language(accepted: str) -> str:
    """Gives the language of the page for an Accept-Language header: the first one listed of those that there are.

    Qualities (`;q=`) are heard, any Portuguese is Brazilian here, and English answers everybody else.
    """
    wanted = []
    for place, part in enumerate(accepted.split(",")):
        name, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((-float(quality or 1), place, name.lower()))
        except ValueError:
            continue
    for _, _, name in sorted(wanted):
        found = next((each for each in LANGUAGES if name.split("-")[0] == each.split("-")[0].lower()), None)
        if found:
            return found
    return "en"


def owner_of(request: Any) -> str:
    """Gives who sent a request of the page; the doors have made sure of it."""
    return str(request.request.state.user)


def job_of(site: Site, job: str, owner: str) -> Job | None:
    """Gives a job of `owner`'s, None where there is none (any more)."""
    try:
        return site.service.queue.get(job, owner=owner)
    except RetratoError:
        return None


def problem(field: str | None, sentence: str) -> Html:
    """Gives the sentence of an error; the page shows it by the control with the id `field`, anew each time.

    Without a field, and while that is hidden, it stays where it is put.
    """
    return tag("p", with_code(sentence), class_="problem", role="alert", data_by=field, data_turn=secrets.token_hex(4))


def empty(title: str, what_next: str) -> Html:
    """Gives what stands where there is nothing yet: what would be here and what to do for it."""
    return tag("div", tag("strong", title), tag("p", what_next), class_="empty")


def button(label: str, channel: str, said: str, *, class_: str = "small", sure: str | None = None) -> Html:
    """Gives a button by which the page says `said` to the hidden field `channel`, if asked so after being `sure`."""
    return tag("button", label, type="button", class_=class_, data_channel=channel, data_said=said, data_sure=sure)


def bar(share: float, label: str) -> Html:
    """Gives a progress bar; `share` runs from 0 to 1."""
    return tag(
        "div",
        tag("progress", value=f"{share:.4f}", max="1", aria_label=label),
        tag("span", label),
        class_="progress",
    )


def row(*parts: str, class_: str = "row") -> Html:
    """Gives the parts beside one another."""
    return tag("div", joined(parts), class_=class_)
