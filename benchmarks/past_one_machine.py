"""What many people would take on many machines, from one measured line of benchmarks/main_job.py.

python benchmarks/main_job.py | tail -n 1 > job.json
python -m benchmarks.past_one_machine job.json --people 1000 1000000 --machines 1 10 100 --price 0.50

Models nothing but this: people are learned one after another, machines share nothing, each loads the model once.
What that leaves out stands in docs/past-one-machine.md.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

OF_A_PERSON = ("prepare", "train", "pick")
OF_A_MACHINE = ("import", "load")


@dataclass(frozen=True, slots=True)
class Job:
    """Seconds that every person takes, and that every machine takes once."""

    person: float
    machine: float

    def seconds(self, people: int, machines: int) -> float:
        """Gives how long `people` take on `machines`, the last person included who does not divide evenly."""
        return -(-people // machines) * self.person + self.machine

    def machine_hours(self, people: int, machines: int) -> float:
        """Gives the hours that must be paid for."""
        return (people * self.person + machines * self.machine) / 3600


def read_job(text: str) -> Job:
    """Gives the job of main_job's line of JSON; raises ValueError where it is another's."""
    try:
        seconds = {phase["name"]: float(phase["seconds"]) for phase in json.loads(text)["phases"]}
        return Job(sum(seconds[name] for name in OF_A_PERSON), sum(seconds[name] for name in OF_A_MACHINE))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"this is no line of benchmarks/main_job.py: {error!r} is missing or wrong") from None


def in_words(seconds: float) -> str:
    """Gives `9.8 min`, `16.2 h`, `6.7 days`."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"


def main() -> None:
    """Prints the table in Markdown, as it stands on the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path, help="file with main_job's line of JSON")
    parser.add_argument("--people", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--price", type=float, help="of one machine for an hour, in any currency")
    options = parser.parse_args()
    job = read_job(options.job.read_text("utf-8"))
    print(f"{job.person:.1f} s a person, {job.machine:.1f} s a machine")
    heads = ["people", *(f"{count:,} machine{'s' * (count > 1)}" for count in options.machines), "machine-hours"]
    print(f"| {' | '.join(heads + ['price'] * (options.price is not None))} |")
    print("|" + "---|" * (len(heads) + (options.price is not None)))
    for people in options.people:
        hours = job.machine_hours(people, 1)
        row = [f"{people:,}", *(in_words(job.seconds(people, count)) for count in options.machines), f"{hours:,.1f}"]
        print(f"| {' | '.join(row + ([f'{hours * options.price:,.2f}'] if options.price is not None else []))} |")


if __name__ == "__main__":
    main()
