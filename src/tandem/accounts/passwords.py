"""The one rule for passwords: ten characters or more, with a letter, a digit and a special character among them."""

from typing import Any

from django.core.exceptions import ValidationError

MINIMUM_LENGTH = 10
MAXIMUM_LENGTH = 200
RULE = f"At least {MINIMUM_LENGTH} characters, with a letter, a digit and a special character among them."


class PasswordValidator:
    """The rule, in the form that `AUTH_PASSWORD_VALIDATORS` wants."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError naming all that is missing."""
        missing = []
        if len(password) < MINIMUM_LENGTH:
            missing.append(f"needs at least {MINIMUM_LENGTH} characters, and has {len(password)}")
        if len(password) > MAXIMUM_LENGTH:
            missing.append(f"is longer than {MAXIMUM_LENGTH} characters")
        if not any(character.isalpha() for character in password):
            missing.append("needs a letter")
        if not any(character.isdigit() for character in password):
            missing.append("needs a digit")
        if all(character.isalnum() or character.isspace() for character in password):
            missing.append("needs a special character, such as - or !")
        if missing:
            raise ValidationError(f"The password {'; it '.join(missing)}.", code="password_rule")

    def get_help_text(self) -> str:
        """The rule in words."""
        return RULE
