"""People of many languages, as a file of them would be; always the same ones."""

import csv
import itertools
import json
import re
import subprocess
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from faker import Faker

from tests.rig.postgres import TestDatabase

LOCALES = {
    "ar_AA": "", "de_DE": "DE", "el_GR": "GR", "en_US": "US", "fa_IR": "IR", "fr_FR": "FR", "he_IL": "IL",
    "hi_IN": "IN", "ja_JP": "JP", "ko_KR": "KR", "pt_BR": "BR", "ru_RU": "RU", "th_TH": "TH", "vi_VN": "VN",
    "zh_CN": "CN",
}  # fmt: skip
"""Locale and the region in which its telephone numbers are dialled."""

COLUMNS = ("e-mail", "name", "phone", "address", "region", "shoe size")


_COPY_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True)
class Somebody:
    """One line of the file."""

    email: str
    name: str
    phone: str
    address: str
    region: str
    shoe_size: str

    @property
    def contact(self) -> dict[str, str]:
        fields = {
            "full_name": self.name, "email": self.email, "phone": self.phone, "address": self.address,
            "region": self.region,
        }  # fmt: skip
        return {name: value for name, value in fields.items() if value}

    @property
    def cells(self) -> tuple[str, ...]:
        return self.email, self.name, self.phone, self.address, self.region, self.shoe_size


def make_people(count: int, *, of: str) -> list[Somebody]:
    """So many, each locale in turn; some values with what careless code would lose or change."""
    fakers = {locale: Faker(locale) for locale in LOCALES}
    people: list[Somebody] = []
    for number, (locale, region) in zip(range(count), itertools.cycle(LOCALES.items()), strict=False):
        fake = fakers[locale]
        fake.seed_instance(number)
        name = fake.name()
        if number % 7 == 0:
            name = f"  {unicodedata.normalize('NFD', name)} \t"  # spaces and decomposed accents stay
        if number % 11 == 0:
            name += ', "the \u202bfirst\u202c" 👩‍👩‍👧'
        people.append(
            Somebody(
                f"{of}-{number}-{fake.user_name()}@{fake.safe_domain_name()}", name, fake.phone_number(),
                fake.address(), region, str(35 + number % 12),
            )
        )  # fmt: skip
    return people


def write_csv(path: Path, people: list[Somebody]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(each.cells for each in people)


def dump(database: TestDatabase) -> bytes:
    """Everything that a thief of this database has, as pg_dump writes it."""
    cluster = database.server.cluster
    pg_dump = next(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
    return subprocess.run(
        [pg_dump, "--dbname", f"{cluster.admin_dsn} dbname={database.name}"],
        check=True, capture_output=True, timeout=120,
    ).stdout  # fmt: skip


def found_in(stolen: bytes, value: str) -> bool:
    """Does the value stand there: as text or JSON, escaped or not, or as bytes in hexadecimal?

    A value that is too short to mean anything, where chance alone would find it, is not looked for.
    """
    plain = value.encode()
    if len(plain) < 8:
        return False
    json_texts = (json.dumps(value)[1:-1].encode(), json.dumps(value, ensure_ascii=False)[1:-1].encode())
    spellings = {plain, *json_texts}
    shapes = [*spellings, *(s.hex().encode() for s in spellings), *map(_as_copied, spellings)]
    digits = re.sub(r"[^0-9]", "", value)
    if len(digits) >= 11:
        shapes.append(digits.encode())
    return any(shape in stolen for shape in shapes)


def _as_copied(text: bytes) -> bytes:
    """As COPY writes it, which pg_dump uses."""
    return "".join(_COPY_ESCAPES.get(char, char) for char in text.decode()).encode()
