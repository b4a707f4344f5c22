"""Streams (everything below `/streams/`) and whole files, as uvicorn serves them."""

import os

from django.core.asgi import get_asgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "tandem.site.stream_settings"
_django = get_asgi_application()

# Only now: it needs the settings.
from tandem.site.uploading import with_uploads  # noqa: E402

application = with_uploads(_django)
