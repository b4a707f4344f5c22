"""Runs in ParallelCluster's own environment: reads configurations as JSON lines, tells what its schema says of each."""

import json
import sys

from marshmallow import ValidationError
from pcluster.schemas.cluster_schema import ClusterSchema

for line in sys.stdin:
    try:
        ClusterSchema(cluster_name="tandem-cluster1").load(json.loads(line))
    except ValidationError as error:
        print(json.dumps(error.messages))
    else:
        print(json.dumps(None))
