from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "tandem.site"
    label = "tandem_site"
