"""What somebody may be called: the environment file's own rules, for those who are added later."""

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from tandem.accounts.models import Person
from tandem.accounts.queries import all_groups
from tandem.environment.checks import SYSTEM_NAMES
from tandem.environment.model import LoginName
from tandem.rules import UIDS_OF_OTHERS

FIRST_UID = 2000
LAST_UID = 2**31 - 2

Errors = dict[str, list[str]]
_login_name: TypeAdapter[str] = TypeAdapter(LoginName)


class PersonInvalid(Exception):
    """Somebody cannot be added like this: what is wrong, by field."""

    def __init__(self, errors: Errors) -> None:
        super().__init__("; ".join(f"{field}: {' '.join(words)}" for field, words in errors.items()))
        self.errors = errors


def _name_problem(name: str) -> str | None:
    try:
        _login_name.validate_python(name)
    except ValidationError as problem:
        return f"Use {problem.errors()[0]['msg']}."
    if name in SYSTEM_NAMES or name.startswith(("systemd", "tandem")):
        return f"{name} belongs to the system."
    return None


def check_new_person(username: str, uid: int | None, groups: Sequence[str]) -> None:
    """Raise PersonInvalid unless somebody may be called this, have this uid and be in these groups."""
    errors: Errors = {}
    if problem := _name_problem(username):
        errors["username"] = [problem]
    elif Person.objects.filter(username=username).exists():
        errors["username"] = [f"{username} exists already."]
    elif username in all_groups():
        errors["username"] = [f"{username} is the name of a group."]
    if uid is not None and (not FIRST_UID <= uid <= LAST_UID or uid in UIDS_OF_OTHERS):
        errors["uid"] = [f"Use a uid from {FIRST_UID} up, except {UIDS_OF_OTHERS[0]} to {UIDS_OF_OTHERS[-1]}."]
    elif uid is not None and Person.objects.filter(uid=uid).exists():
        errors["uid"] = [f"{uid} is taken."]
    errors |= _group_errors(username, groups)
    if errors:
        raise PersonInvalid(errors)


def check_groups(username: str, groups: Sequence[str]) -> None:
    """Raise PersonInvalid unless somebody of this name may be put into these groups."""
    if errors := _group_errors(username, groups):
        raise PersonInvalid(errors)


def _group_errors(username: str, groups: Sequence[str]) -> Errors:
    names = {*Person.objects.filter(username__in=groups).values_list("username", flat=True), username}
    problems = [
        _name_problem(group) or (f"{group} is the name of a person." if group in names else "") for group in groups
    ]
    found = [problem for problem in problems if problem]
    return {"groups": found} if found else {}


def next_free_uid(taken: set[int]) -> int:
    """One more than the highest in use from 2000 up, so that a uid whose person is forgotten is not given again."""
    uid = max([FIRST_UID - 1, *(uid for uid in taken if FIRST_UID <= uid < UIDS_OF_OTHERS[0])]) + 1
    if uid not in UIDS_OF_OTHERS:
        return uid
    # All of the usual range has been used: go on above it.
    return max([UIDS_OF_OTHERS[-1], *(uid for uid in taken if uid > UIDS_OF_OTHERS[-1])]) + 1
