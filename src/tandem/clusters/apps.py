from django.apps import AppConfig


class ClustersConfig(AppConfig):
    name = "tandem.clusters"
    label = "clusters"
