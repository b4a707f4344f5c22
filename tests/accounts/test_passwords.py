import pytest
from django.core.exceptions import ValidationError

from tandem.accounts.passwords import PasswordValidator


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("Sh0rt-one", "at least 10 characters, and has 9"),
        ("only letters and -", "digit"),
        ("1234567890-", "letter"),
        ("letters1234", "special character"),
        ("letters 1234", "special character"),
        ("x1-" * 100, "longer than"),
    ],
)
def test_a_password_that_breaks_the_rule_is_refused_and_told_why(password: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PasswordValidator().validate(password)
    assert said in str(refused.value)


@pytest.mark.parametrize("password", ["abcdefgh1-", "pässwörter-2", "密码密码密码密码1!", "with spaces 1 _"])
def test_a_password_that_keeps_the_rule_is_taken(password: str) -> None:
    PasswordValidator().validate(password)
