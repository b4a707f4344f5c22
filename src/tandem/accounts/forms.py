"""Forms for signing in, passwords and API tokens. They check what was typed; `actions` does what is asked."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from tandem.accounts.actions import TOKEN_DAYS
from tandem.accounts.models import Person
from tandem.accounts.passwords import MAXIMUM_LENGTH, RULE
from tandem.accounts.sign_in import SignInRefused, check_sign_in

LONGEST_TYPED = MAXIMUM_LENGTH * 5


def _password(label: str, autocomplete: str, *, help_text: str = "", focus: bool = False) -> forms.CharField:
    attributes = {"autocomplete": autocomplete, **({"autofocus": True} if focus else {})}
    return forms.CharField(
        label=label,
        help_text=help_text,
        strip=False,
        max_length=LONGEST_TYPED,
        widget=forms.PasswordInput(attrs=attributes),
    )


class SignInForm(forms.Form):
    """Name and password; whether they belong together is not this form's question."""

    use_required_attribute = True
    username = forms.CharField(
        label="Name",
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = _password("Password", "current-password")


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    new_password = _password("New password", "new-password", help_text=RULE)
    repeated = _password("New password again", "new-password")

    def __init__(self, *args: Any, person: Person, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_new_password(self) -> str:
        """The rule for passwords."""
        password: str = self.cleaned_data["new_password"]
        validate_password(password, self.person)
        return password

    def clean(self) -> dict[str, Any]:
        """Both are the same."""
        cleaned = super().clean() or {}
        if "new_password" in cleaned and "repeated" in cleaned and cleaned["new_password"] != cleaned["repeated"]:
            self.add_error("repeated", "This is not the same as above.")
        return cleaned


class ChangePasswordForm(NewPasswordForm):
    """The same for somebody who is signed in, who must know the old one."""

    old_password = _password("Current password", "current-password")
    field_order = ("old_password", "new_password", "repeated")

    def __init__(self, request: HttpRequest, *, person: Person, is_typed: bool = False) -> None:
        super().__init__(request.POST if is_typed else None, person=person)
        self.request = request

    def clean_old_password(self) -> str:
        """It must be right, so that an open browser alone cannot take the account over. Guesses count as at sign-in."""
        password: str = self.cleaned_data["old_password"]
        try:
            check_sign_in(self.request, self.person.username, password)
        except SignInRefused as refused:
            words = refused.message if refused.retry_after else "This is not your current password."
            raise ValidationError(words) from refused
        return password


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(label="What for", max_length=80, help_text="So that you can tell your tokens apart.")
    days = forms.TypedChoiceField(
        label="Good for",
        coerce=int,
        initial=TOKEN_DAYS,
        choices=[(7, "a week"), (30, "30 days"), (90, "90 days"), (366, "a year")],
    )
