"""Pages and API, as gunicorn serves them."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.site.settings")
application = get_wsgi_application()
