"""The dated price table: `prices.yaml` beside this file, or a copy of it with the prices of another region."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

TABLE = Path(__file__).with_name("prices.yaml")

# A family's sizes cost in proportion: as parts of `large`.
_SIZES = {"nano": Decimal("0.0625"), "micro": Decimal("0.125"), "small": Decimal("0.25"), "medium": Decimal("0.5")}


class PriceError(Exception):
    """The table cannot be read, or has no price for something."""


def _exact(value: object) -> object:
    """A number as it is written, and not as a binary fraction comes near it."""
    return str(value) if isinstance(value, int | float) else value


Dollars = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0)]


class Prices(BaseModel):
    """List prices of one region, in US dollars."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    as_of: date
    region: str
    hours_a_month: int = Field(gt=0)
    families: dict[str, Dollars]
    instances: dict[str, Dollars]
    nat_gateway: Dollars
    public_address: Dollars
    load_balancer: Dollars
    aurora_acu: Dollars
    disk_gp2_gib: Dollars
    disk_gp3_gib: Dollars
    lustre_scratch_gib: Dollars
    lustre_persistent_gib: Dollars
    efs_gib: Dollars
    aurora_gib: Dollars
    secret: Dollars
    alarm: Dollars

    def instance(self, kind: str) -> Decimal:
        """An hour of an instance. Raises PriceError when the table does not have it."""
        if kind in self.instances:
            return self.instances[kind]
        family, _, size = kind.partition(".")
        if family in self.families and (parts := _parts_of_large(size)) is not None:
            return self.families[family] * parts
        raise PriceError(f"The price table has no {kind}: add it to a copy of the table, and give that with --prices.")

    def month(self, hourly: Decimal) -> Decimal:
        """What an hour costs, for a month."""
        return hourly * self.hours_a_month


def _parts_of_large(size: str) -> Decimal | None:
    if size in _SIZES:
        return _SIZES[size]
    if size == "large":
        return Decimal(1)
    times = size.removesuffix("xlarge")
    if times == size or not (times.isdigit() or times == ""):
        return None
    return Decimal(2) * int(times or 1)


def read_prices(path: Path = TABLE) -> Prices:
    """The table. Raises PriceError, with what is wrong, when it is none."""
    try:
        return Prices.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        raise PriceError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        raise PriceError(f"{path} is no YAML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the table'}: {one['msg']}" for one in error.errors())
        raise PriceError(f"{path}: {wrong}") from error
