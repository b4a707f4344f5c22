"""The environment on AWS: a CDK app, and beside each of its constructs what runs there."""
