"""Pages and API, as gunicorn serves them: loaded whole, before it forks its workers."""

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.site.settings")
application = get_wsgi_application()
import_module(settings.ROOT_URLCONF)
