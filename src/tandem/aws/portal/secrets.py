"""The portal's own secrets: made once and kept, whatever becomes of the nodes."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from tandem.aws.findings import accept_no_rotation


class DjangoKey(Construct):
    """The key that the portal signs cookies with."""

    def __init__(self, scope: Construct, name: str, *, secret_name: str) -> None:
        super().__init__(scope, name)
        secret = secretsmanager.Secret(
            self,
            "Key",
            secret_name=secret_name,
            description="Key that the portal signs cookies with",
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
        )
        accept_no_rotation(secret, "A new key signs everybody out; an operator puts a new version there when needed.")
        self.arn: str = secret.secret_arn


class AdministratorPassword(Construct):
    """The administrator's password: the operator's own secret by name or ARN, or else a generated one.

    `reference` is what it is asked for by, `policy_resource` what policies call it.
    """

    reference: str
    policy_resource: str

    def __init__(self, scope: Construct, name: str, *, given: str | None, secret_name: str) -> None:
        super().__init__(scope, name)
        if given is None:
            self.reference = self.policy_resource = self._generated(secret_name)
        elif given.startswith("arn:"):
            self.reference = self.policy_resource = given
        else:
            self.reference = given
            # Six letters of Secrets Manager's own follow a name.
            self.policy_resource = Stack.of(self).format_arn(
                service="secretsmanager",
                resource="secret",
                resource_name=f"{given}-??????",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )

    def _generated(self, secret_name: str) -> str:
        secret = secretsmanager.Secret(
            self,
            "Password",
            secret_name=secret_name,
            description="Password of the portal's administrator",
            # What is left keeps the portal's rule, and is taken for nothing else by shells, YAML or URLs.
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=20,
                require_each_included_type=True,
                exclude_characters="\"'`\\/@$&<>{}[]()~^|;:,?*#%! lIO01",
            ),
        )
        accept_no_rotation(secret, "The portal follows its operator, who puts a new version there.")
        return secret.secret_arn
