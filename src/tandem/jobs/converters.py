"""How the names of files stand in addresses, in those of both processes."""

from django.urls import register_converter
from django.urls.converters import StringConverter

ANY_NAME = "any_name"


class AnyName(StringConverter):
    """The path of a file below a spooler. A file's name may hold anything, line ends too."""

    regex = r"[\s\S]+"


register_converter(AnyName, ANY_NAME)
