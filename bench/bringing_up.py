"""How long `tandem up` takes: from nothing, with the state kept, and when there is nothing to do."""

from bench.lab import Lab
from bench.measure import Row, median, timed


def bringing_up(lab: Lab, rounds: int) -> list[Row]:
    """Leaves the environment up."""
    fresh, warm, again = [], [], []
    for _ in range(rounds):
        lab.down(purge=True)
        with timed() as watch:
            lab.up()
        fresh.append(watch.seconds)
        lab.down()
        with timed() as watch:
            lab.up()
        warm.append(watch.seconds)
        with timed() as watch:
            lab.up()
        again.append(watch.seconds)
    return [
        Row("`tandem up`, fresh", f"{median(fresh):.1f} s"),
        Row("`tandem up`, warm (state kept)", f"{median(warm):.1f} s", target="< 20 s"),
        Row("`tandem up`, nothing to do", f"{median(again):.1f} s"),
    ]
