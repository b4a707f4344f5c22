"""Streams (everything below `/streams/`), as uvicorn serves them."""

import os

from django.core.asgi import get_asgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "tandem.site.stream_settings"
application = get_asgi_application()
