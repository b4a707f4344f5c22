"""Enough of AWS to deploy to: moto's services behind a CloudFormation of our own.

moto's CloudFormation leaves out types that it does not know, references that it cannot resolve, and deletions; here
each of these is an error, as it would be on AWS. It proves templates, references, order, the life cycle of custom
resources and deletion. It does not prove IAM, AWS's times, user data, or ParallelCluster's own provider.
"""
