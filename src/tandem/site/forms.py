"""How forms look: label above, help below, errors in place (`templates/site/field.html`)."""

from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.forms.renderers import TemplatesSetting


class Field(BoundField):
    """A field of a form that gives its widget the look's classes, so that no form has to."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        """Django's attributes (which tie help and errors to the field), and the classes."""
        widget = widget or self.field.widget
        built = super().build_widget_attrs(attrs, widget)
        own = widget.attrs.get("class", "")
        invalid = "is-invalid" if self.form.is_bound and self.errors else ""
        built["class"] = " ".join(word for word in (_look(widget), invalid, own) if word)
        return built


def _look(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "form-check-input"
    if isinstance(widget, forms.Select):
        return "form-select"
    return "" if widget.is_hidden else "form-control"


class FormRenderer(TemplatesSetting):
    """`{{ form.name.as_field_group }}` renders a field the portal's way, `{{ form }}` all of them."""

    form_template_name = "site/form.html"
    field_template_name = "site/field.html"
    bound_field_class = Field
