"""Forms of the pages for looking after people. They check what was typed; `actions` checks what may be."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from pydantic import TypeAdapter
from pydantic import ValidationError as Invalid

from tandem.accounts.names import FIRST_UID, PersonInvalid
from tandem.environment.model import FullName

_full_name: TypeAdapter[str] = TypeAdapter(FullName)
PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class AddPersonForm(forms.Form):
    """Somebody new."""

    username = forms.CharField(
        label="Name",
        max_length=32,
        help_text="The login name, the same here and on every cluster. It cannot be changed later.",
        widget=forms.TextInput(attrs={**PLAIN, "autofocus": True}),
    )
    full_name = forms.CharField(
        label="Full name", max_length=120, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(label="E-mail address", max_length=254, required=False)
    groups = forms.CharField(
        label="Groups",
        max_length=2000,
        required=False,
        help_text="On the clusters; several with spaces or commas between them.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    uid = forms.IntegerField(
        label="Uid",
        min_value=FIRST_UID,
        required=False,
        help_text="Left empty: the next free one. Give it only to match files that exist already.",
    )
    is_administrator = forms.BooleanField(
        label="Administrator: sees everybody's work, looks after people", required=False
    )

    def clean_full_name(self) -> str:
        """What account files can hold."""
        full_name: str = self.cleaned_data["full_name"]
        try:
            return _full_name.validate_python(full_name)
        except Invalid as problem:
            raise ValidationError(f"Use {problem.errors()[0]['msg']}.") from None

    def clean_groups(self) -> list[str]:
        """One name each."""
        return split_groups(self.cleaned_data["groups"])

    def tell(self, invalid: PersonInvalid) -> None:
        """Show beside each field what is wrong with it."""
        for field, words in invalid.errors.items():
            self.add_error(field, " ".join(words))


class GroupForm(forms.Form):
    """Groups to put somebody into."""

    add = forms.CharField(label="Put into", max_length=2000, widget=forms.TextInput(attrs={**PLAIN, "list": "groups"}))

    def clean_add(self) -> list[str]:
        """One name each."""
        return split_groups(self.cleaned_data["add"])

    def tell(self, invalid: PersonInvalid) -> None:
        """Show what is wrong with a group."""
        for words in invalid.errors.values():
            self.add_error("add", " ".join(words))


def split_groups(typed: Any) -> list[str]:
    """Names with spaces or commas between them."""
    return [name for name in re.split(r"[\s,]+", str(typed)) if name]
